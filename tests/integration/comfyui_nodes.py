"""The nodes that comfyui_standin.py has: ComfyUI's own, by name, inputs and outputs, and what they make instead of pictures."""

import struct
import zlib

SAMPLERS = ["euler", "euler_ancestral", "dpmpp_2m", "dpmpp_sde", "uni_pc"]
SCHEDULERS = ["normal", "karras", "simple", "sgm_uniform"]
SCALERS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]

MODELS = {
    "checkpoints": ["v1-5-pruned-emaonly-fp16.safetensors", "sdxl.safetensors", "svd_xt.safetensors"],
    "loras": ["detail.safetensors"],
    "vae": ["vae.safetensors"],
    "upscale_models": ["4x-UltraSharp.pth", "2x.pth"],
    "embeddings": ["easynegative"],
}


def number(kind, default, least, most, **more):
    return [kind, {"default": default, "min": least, "max": most, **more}]


def choice(values, **more):
    """The newer shape; the older one is the list itself."""
    return ["COMBO", {"options": values, **more}]


def node(inputs, outputs, optional=None, output_node=False, **more):
    return {"input": {"required": inputs, **({"optional": optional} if optional else {})}, "output": outputs, "output_node": output_node, **more}


IMAGE, LATENT, MODEL, CLIP, VAE, CONDITIONING = ["IMAGE"], ["LATENT"], ["MODEL"], ["CLIP"], ["VAE"], ["CONDITIONING"]
SIDE = number("INT", 512, 16, 16384, step=8)
SEED = number("INT", 0, 0, 0xFFFFFFFFFFFFFFFF, control_after_generate=True)


def classes(models):
    checkpoints = models["checkpoints"]
    sampler = {
        "model": MODEL, "seed": SEED, "steps": number("INT", 20, 1, 10000), "cfg": number("FLOAT", 8.0, 0.0, 100.0),
        "sampler_name": [SAMPLERS], "scheduler": [SCHEDULERS], "positive": CONDITIONING, "negative": CONDITIONING,
        "latent_image": LATENT, "denoise": number("FLOAT", 1.0, 0.0, 1.0),
    }
    return {
        "CheckpointLoaderSimple": node({"ckpt_name": choice(checkpoints)}, ["MODEL", "CLIP", "VAE"]),
        "ImageOnlyCheckpointLoader": node({"ckpt_name": [checkpoints]}, ["MODEL", "CLIP_VISION", "VAE"]),
        "LoraLoader": node({"model": MODEL, "clip": CLIP, "lora_name": [models["loras"]], "strength_model": number("FLOAT", 1.0, -100.0, 100.0),
                            "strength_clip": number("FLOAT", 1.0, -100.0, 100.0)}, ["MODEL", "CLIP"]),
        "VAELoader": node({"vae_name": [models["vae"]]}, ["VAE"]),
        "CLIPTextEncode": node({"text": ["STRING", {"multiline": True}], "clip": CLIP}, ["CONDITIONING"]),
        "EmptyLatentImage": node({"width": SIDE, "height": SIDE, "batch_size": number("INT", 1, 1, 4096)}, ["LATENT"]),
        "KSampler": node(sampler, ["LATENT"]),
        "VAEDecode": node({"samples": LATENT, "vae": VAE}, ["IMAGE"]),
        "VAEEncode": node({"pixels": IMAGE, "vae": VAE}, ["LATENT"]),
        "LatentUpscaleBy": node({"samples": LATENT, "upscale_method": [["nearest-exact", "bislerp"]], "scale_by": number("FLOAT", 1.5, 0.01, 8.0)}, ["LATENT"]),
        "LoadImage": node({"image": choice([], image_upload=True)}, ["IMAGE", "MASK"]),
        "LoadAudio": node({"audio": choice([], audio_upload=True)}, ["AUDIO"]),
        "ImageScale": node({"image": IMAGE, "upscale_method": [SCALERS], "width": number("INT", 512, 0, 16384), "height": number("INT", 512, 0, 16384),
                            "crop": [["disabled", "center"]]}, ["IMAGE"]),
        "ImageScaleBy": node({"image": IMAGE, "upscale_method": [SCALERS], "scale_by": number("FLOAT", 1.0, 0.01, 8.0)}, ["IMAGE"]),
        "UpscaleModelLoader": node({"model_name": [models["upscale_models"]]}, ["UPSCALE_MODEL"]),
        "ImageUpscaleWithModel": node({"upscale_model": ["UPSCALE_MODEL"], "image": IMAGE}, ["IMAGE"]),
        "SVD_img2vid_Conditioning": node({
            "clip_vision": ["CLIP_VISION"], "init_image": IMAGE, "vae": VAE, "width": SIDE, "height": SIDE,
            "video_frames": number("INT", 14, 1, 4096), "motion_bucket_id": number("INT", 127, 1, 1023), "fps": number("INT", 6, 1, 1024),
            "augmentation_level": number("FLOAT", 0.0, 0.0, 10.0)}, ["CONDITIONING", "CONDITIONING", "LATENT"]),
        "VideoLinearCFGGuidance": node({"model": MODEL, "min_cfg": number("FLOAT", 1.0, 0.0, 100.0)}, ["MODEL"]),
        "CreateVideo": node({"images": IMAGE, "fps": number("FLOAT", 30.0, 1.0, 120.0)}, ["VIDEO"], optional={"audio": ["AUDIO"]}),
        "SaveImage": node({"images": IMAGE, "filename_prefix": ["STRING", {"default": "ComfyUI"}]}, [], output_node=True),
        "PreviewImage": node({"images": IMAGE}, [], output_node=True),
        "SaveImageWebsocket": node({"images": IMAGE}, [], output_node=True),
        "SaveAnimatedWEBP": node({"images": IMAGE, "filename_prefix": ["STRING", {}], "fps": number("FLOAT", 6.0, 0.01, 1000.0),
                                  "lossless": ["BOOLEAN", {}], "quality": number("INT", 80, 0, 100),
                                  "method": [["default", "fastest", "slowest"]]}, [], output_node=True),
        "SaveWEBM": node({"images": IMAGE, "filename_prefix": ["STRING", {}], "codec": [["vp9", "av1"]], "fps": number("FLOAT", 24.0, 0.01, 1000.0),
                          "crf": number("FLOAT", 32.0, 0, 63.0)}, [], output_node=True),
        "SaveVideo": node({"video": ["VIDEO"], "filename_prefix": ["STRING", {}], "format": choice(["auto", "mp4"]),
                           "codec": choice(["auto", "h264"])}, [], output_node=True),
        "SaveAudio": node({"audio": ["AUDIO"], "filename_prefix": ["STRING", {}]}, [], output_node=True),
        "Tags": node({"tags": ["TAGS"]}, []),
        "PreviewAny": node({"source": ["*"]}, [], output_node=True),
    }


# What the nodes that save give: the kind in the outputs, the folder, how the file's name ends, and what else stands there.
SAVES = {
    "SaveImage": ("images", "output", ".png", {}),
    "PreviewImage": ("images", "temp", ".png", {}),
    "SaveAnimatedWEBP": ("images", "output", ".webp", {"animated": [True]}),
    "SaveWEBM": ("images", "output", ".webm", {"animated": [True]}),
    "SaveVideo": ("images", "output", ".mp4", {"animated": [True]}),
    "SaveAudio": ("audio", "output", ".flac", {}),
}

LOADERS = {"CheckpointLoaderSimple": "ckpt_name", "ImageOnlyCheckpointLoader": "ckpt_name", "UpscaleModelLoader": "model_name"}


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, shade):
    """A grey picture."""
    rows = (b"\0" + bytes([shade % 256]) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def made(ending, width, height, shade):
    """The bytes of a file that ends like this."""
    if ending == ".png":
        return png(width, height, shade)
    beginnings = {".webp": b"RIFF\x1a\0\0\0WEBPVP8L", ".webm": b"\x1aE\xdf\xa3", ".mp4": b"\0\0\0\x18ftypmp42", ".flac": b"fLaC"}
    return beginnings[ending] + bytes([shade % 256]) * 200
