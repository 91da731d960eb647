// The search of Material runs in a worker, which browsers start only for pages from a server. In a page that is opened from
// disk the worker's script runs in a hidden frame instead.
(() => {
  "use strict";
  if (location.protocol !== "file:") return;

  class FrameWorker extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      document.body.append(frame);
      const inside = frame.contentWindow;
      inside.document.open(); // else Firefox replaces the document, and the script with it, a little later
      inside.document.close();

      const load = (src) =>
        new Promise((resolve, reject) => {
          const script = inside.document.createElement("script");
          inside.document.documentElement.append(Object.assign(script, { src, onload: resolve, onerror: reject }));
        });
      // The two functions of a worker that a window lacks, or has with another meaning.
      inside.importScripts = (...all) => all.reduce((before, src) => before.then(() => load(src)), Promise.resolve());
      inside.postMessage = (data) => setTimeout(() => this.dispatchEvent(new MessageEvent("message", { data })));

      const ready = load(address);
      this.postMessage = (data) => {
        const copy = structuredClone(data);
        ready.then(() => inside.dispatchEvent(new inside.MessageEvent("message", { data: copy })));
      };
      this.terminate = () => frame.remove();
    }
  }

  window.Worker = FrameWorker;
  window.IFrameWorker = FrameWorker; // by this name Material's script knows where it runs
})();

// A colon in a paper's title is no field name of the search.
(() => {
  "use strict";
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...rest) {
    const asked = message && message.type === 2 && typeof message.data === "string";
    return post.call(this, asked ? { ...message, data: message.data.replaceAll(":", " ") } : message, ...rest);
  };
})();
