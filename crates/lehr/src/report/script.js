// Tips of charts and drawings at once instead of after a while, and drawings that begin at their first box.
(function () {
  "use strict";
  var tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("aria-hidden", "true");
  document.body.appendChild(tip);
  var texts = new WeakMap();

  function owner(target) {
    for (var node = target; node instanceof Element; node = node.parentNode) {
      if (texts.has(node)) return node;
    }
    return null;
  }

  document.querySelectorAll("svg title").forEach(function (title) {
    texts.set(title.parentNode, title.textContent);
    title.parentNode.setAttribute("aria-label", title.textContent);
    title.remove();
  });

  document.addEventListener("pointermove", function (event) {
    var node = owner(event.target);
    tip.classList.toggle("shown", node !== null);
    if (node === null) return;
    tip.textContent = texts.get(node);
    var room = document.documentElement;
    var x = Math.min(event.clientX + 14, room.clientWidth - tip.offsetWidth - 8);
    var below = event.clientY + 18;
    var fits = room.clientHeight > below + tip.offsetHeight;
    tip.style.left = Math.max(x, 8) + "px";
    tip.style.top = (fits ? below : event.clientY - tip.offsetHeight - 12) + "px";
  });
  document.addEventListener("scroll", function () { tip.classList.remove("shown"); }, true);

  document.querySelectorAll(".drawing").forEach(function (box) {
    var first = box.querySelector(".port, .node");
    if (first === null) return;
    var place = first.getBoundingClientRect();
    var frame = box.getBoundingClientRect();
    box.scrollLeft += place.left + place.width / 2 - frame.left - frame.width / 2;
  });
})();
