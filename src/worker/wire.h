/* What fnr-manager and its workers say to each other over a socket pair: frames of a u32 length (big-endian, at most
 * 192 MiB: take.json has inputs and parameters of up to 64 MiB each) and one JSON object. Paths are relative to the data directory.
 *
 * manager -> worker
 *   {"type":"run","job":id,"attempt":n,"backend":"local","kind":"script","definition":{…the normalised template…},
 *    "quality":"high","preset":"high@1","seed":42,"project":"demo","shot":"s010","timeout_ms":120000,
 *    "payload":{…inputs, parameters, metadata, pipeline…} | "payload_file":"blobs/payload/<id>",
 *    "uploads":[{"id","media_type","name"}],
 *    "work":"workspace/.work/<job>-<n>", "attempt_dir":"workspace/demo/s010/.attempt-<job>-<n>", "final_dir":"workspace/.jobs/<job>",
 *    "endpoint":{"id":"comfy-a","url":"http://…","credentials":{…},"options":{…},"ca_file":"…"?}, "took":{PART:ms}, "attach":true, "early":true, "look":true}
 *        (attempt_dir is workspace/.jobs/.attempt-<job>-<n> for a job without project, and only that has a final_dir: the worker
 *        itself files its outputs there; endpoint is there for kinds that need one; took: of earlier runs there, if any;
 *        attach: it was started before and may still run over there; early: it is not on disk yet, so that it began is noted
 *        (begun.h) for a manager that comes after this one; look: it may have been started before, without anybody to tell)
 *   {"type":"probe","backend":"comfy-a","kind":"comfyui","endpoint":{…as above…},"nodes":true?}      ask that server what it is and has,
 *        nodes: and for its node classes
 *   {"type":"restart","backend":"comfy-a","url":"http://…"}     run the operator's hook for that server, if there is one
 *   {"type":"finish","job":id,"attempt":n,"attempt_dir":"…","final_dir":"workspace/demo/s010/take_003","take":{…take.json…}|null}
 *        step 2 of finishing: write take.json if there is one, flush, rename without replacing, flush the parent. If
 *        attempt_dir is gone and final_dir holds this job and attempt (file ".job"), it was done before: say finished.
 *   {"type":"thumbnail","sha256":"…","path":"workspace/demo/s010/take_003/image.png","media_type":"image/png",
 *    "work":"workspace/.work/<id>-1"}
 *        look at a result and make its thumbnail (files/thumbnail.h)
 *   {"type":"discard","paths":["workspace/…"]}      remove what a failed or lost attempt left
 *   {"type":"cancel","job":id,"attempt":n}          for the running attempt; anything else is ignored
 *   {"type":"stop"}                                 end after the present task; the end of the socket means leave at once
 *
 * worker -> manager
 *   {"type":"hello","pid":n}                        once, when ready for a task
 *   {"type":"heartbeat","job":id|null,"cpu_ms":n,"rss":bytes}   every second while a task runs
 *   {"type":"server_memory","job","attempt","found":{"devices":[…],"ram_total","ram_free"}|null}   now and then, of the server that it runs on
 *   {"type":"begun","job","attempt"}                before anything is done that others may notice: an attempt that is lost
 *        without it never began, and may be repeated whatever on_lost says (begun.h tells the next manager)
 *   {"type":"progress","job","attempt","stage":"execution","fraction":0.4,"message":"…"|null}   every 100 ms on the average, at most
 *   {"type":"log","job","attempt","level":"info","text":"…"}
 *   {"type":"preview","job","attempt","media_type":"image/jpeg","data":"base64"}
 *   {"type":"manifest","job","attempt","outputs":[{"name","file","media_type","bytes","sha256","width"?,"height"?,
 *        "duration"?}],"result":{…}|null,"took":{PART:ms}?,"cpu_ms":n,"rss_max":bytes}      the work is done; files lie flushed in attempt_dir;
 *        outputs may be empty: then nothing is to be filed and the worker is free; so it is with "filed":true, when they lie
 *        flushed in final_dir
 *   {"type":"failed","job","attempt","error":{"class","code","message","suggestion","action","detail","backend_down","ignores_cancel","elsewhere"}}
 *   {"type":"lost","job","attempt","error":{…as above…}}       the other side does not know it any more
 *   {"type":"cancelled","job","attempt"}
 *   {"type":"finished","job","attempt"}             answer to finish
 *   {"type":"finish_failed","job","attempt","reason":"exists"|"missing"|"full"|"io","message":"…"}
 *   {"type":"thumbnail","sha256":"…","found":{"made":true,"width","height","duration",…}|null,"message":"…"}   null: it failed
 *   {"type":"probed","backend":"comfy-a","found":{…}|null,"error":{…}|null,"ms":n}    found: as backends/backend.h has it
 *   {"type":"discarded","left":["workspace/…"]}     left: what could not be removed
 *   {"type":"restarted","backend":"comfy-a","restarted":true}      false: there is no hook, or it failed
 * After manifest with outputs, failed, lost, cancelled, finished, finish_failed, thumbnail, probed, restarted and discarded the worker waits for its next task;
 * a worker that reported files is normally given its own finish.
 */
#ifndef FNR_WORKER_WIRE_H
#define FNR_WORKER_WIRE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/json.h"

#define WIRE_MAX (192u << 20)

/* Appends one frame to out. Does not put message. */
void wire_add(struct fnr_buf *out, struct json_object *message);

/* Takes one whole frame off the front of in. Returns 1 and a message to put, 0 if more bytes are needed, -1 if the
 * bytes are not a frame (the peer is broken). */
int wire_take(struct fnr_buf *in, struct json_object **message_r);

/* Blocks, for the worker. False when the manager is gone. */
bool wire_receive(int fd, struct fnr_buf *in, struct json_object **message_r);

/* The worker's life: serves tasks on fd until told to stop, then exits the process. Called by the spawner's child. */
void worker_main(int fd, const char *name) __attribute__((noreturn));

#endif
