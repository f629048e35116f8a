// A server for the load test, with node's own HTTP: it does to a request what the path asks for, and counts.
import { createServer } from "node:http";

const counts = {};
const server = createServer((request, response) => {
  const { socket } = response;
  if (request.url === "/counts") {
    return response.end(JSON.stringify(counts));
  }
  counts[request.url] = (counts[request.url] ?? 0) + 1;
  socket.asked = (socket.asked ?? 0) + 1;
  switch (request.url) {
    case "/ok":
      return response.end("ok");
    case "/bad":
      response.statusCode = 500;
      return response.end("no");
    case "/reset":
      return socket.resetAndDestroy();
    case "/third": // Every third of a connection is reset.
      return socket.asked % 3 ? response.end("ok") : socket.resetAndDestroy();
    case "/gone":
      return socket.destroy();
    case "/half":
      response.writeHead(200, { "content-length": "10" });
      return response.write("half", () => socket.destroy());
    case "/strange":
      return socket.end("220 mail.example.com\r\n\r\n");
    case "/late": // Never.
  }
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
