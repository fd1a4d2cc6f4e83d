// Bundles the sources into ../static/ipyxterm.js, or, with --tests, every test into build/.
import { readdirSync } from "node:fs";
import { build } from "esbuild";

const shared = { bundle: true, format: "esm", target: "es2022", loader: { ".css": "text" }, logLevel: "warning" };

if (process.argv.includes("--tests")) {
  await build({
    ...shared,
    platform: "node",
    packages: "external",
    entryPoints: readdirSync("test").filter((name) => name.endsWith(".test.ts")).map((name) => `test/${name}`),
    outdir: "build",
    outExtension: { ".js": ".mjs" },
  });
} else {
  await build({
    ...shared,
    minify: true,
    legalComments: "eof",
    entryPoints: ["src/index.ts"],
    outfile: "../static/ipyxterm.js",
    // By this line the build hook (hatch_build.py) knows whether the bundle is that of the sources.
    banner: { js: `/* ipyxterm ${process.env.IPYXTERM_DIGEST ?? "unknown"} */` },
  });
}
