// Loads the terminal from the Jupyter server of the page, or, where that has it not, from the kernel.
const load = (model) => {
  const page = document.getElementById("jupyter-config-data");
  if (!page) return fromKernel(model);
  const base = new URL(JSON.parse(page.textContent).baseUrl, location.href);
  return import(new URL("static/wxcode_jupyter/ipyxterm.js", base)).catch(() => fromKernel(model));
};

const fromKernel = (model) =>
  new Promise((resolve) => {
    const take = ({ kind }, [bundle]) => {
      if (kind !== "bundle") return;
      model.off("msg:custom", take);
      resolve(import(URL.createObjectURL(new Blob([bundle], { type: "text/javascript" }))));
    };
    model.on("msg:custom", take);
    model.send({ kind: "bundle" });
  });

export default { render: async (view) => (await load(view.model)).render(view) };
