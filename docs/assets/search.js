// The search of Material runs in a worker, which browsers start only for pages from a server. In a page that is opened from
// disk the worker's script runs in a hidden frame instead. In both, what is asked is changed first: the search takes a word
// before a colon for the name of a field and finds nothing, but titles of papers have colons.
(() => {
  "use strict";
  const QUERY = 2; // the kind of message in which the page asks
  const plain = (message) =>
    message?.type === QUERY && typeof message.data === "string" ? { ...message, data: message.data.replaceAll(":", " ") } : message;

  if (location.protocol !== "file:") {
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (message, ...rest) {
      return post.call(this, plain(message), ...rest);
    };
    return;
  }

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
        const copy = structuredClone(plain(data));
        ready.then(() => inside.dispatchEvent(new inside.MessageEvent("message", { data: copy })));
      };
      this.terminate = () => frame.remove();
    }
  }

  window.Worker = FrameWorker;
  window.IFrameWorker = FrameWorker; // by this name Material's script knows where it runs
})();
