// Three variations of a job as one batch, with a file as input where one is named; then everything that is in the queue.
//   FNR_URL=… FNR_KEY=… node examples/batch.mjs [PICTURE]
import { openAsBlob } from "node:fs";
import { Client } from "../dist/index.js";

const client = new Client({ url: process.env.FNR_URL ?? "http://127.0.0.1:8080/", key: process.env.FNR_KEY ?? "" });
let jobs = { template: "create_title_card", inputs: { text: "Act Two" } };

if (process.argv[2]) {
  const file = await openAsBlob(process.argv[2], { type: "image/png" });
  const { id } = await client.upload(file, { name: "picture.png", onProgress: (done, total) => console.log(`sent ${done} of ${total} bytes`) });
  jobs = { template: "apply_style", inputs: { image: `upload:${id}` } };
}
const batch = await client.submitBatch({ defaults: { quality: "draft", ...jobs }, jobs: [{ count: 3 }] });
batch.onProgress(({ percent, counts }) => console.log(`${Math.round(percent)} %`, JSON.stringify(counts)));
const { state, total } = await batch.wait();
console.log(`${state}: ${total} jobs`);
for await (const job of client.list("/api/v1/jobs", { query: { batch: batch.id } })) console.log(job.id, job.state, job.seed);
