// dist/: one file an entry point, for browsers and Node, and how large it is when it is sent.
import { build } from "esbuild";
import { gzipSync } from "node:zlib";

const MOST = 10_000;   // bytes of index.js, gzipped

await build({
  entryPoints: ["src/index.ts", "src/elements.ts"], outdir: "dist", bundle: true, splitting: true, chunkNames: "chunk-[hash]",
  format: "esm", target: "es2022", minify: true, sourcemap: true, legalComments: "none",
});
const bundle = await build({ entryPoints: ["src/index.ts"], bundle: true, format: "esm", target: "es2022", minify: true, write: false });
const bytes = gzipSync(bundle.outputFiles[0].contents, { level: 9 }).length;
console.log(`dist/index.js with all it needs: ${bytes} bytes gzipped`);
if (bytes >= MOST) {
  console.error(`that is more than ${MOST}`);
  process.exit(1);
}
