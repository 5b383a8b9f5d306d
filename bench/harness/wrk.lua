-- wrk's script: which request to send (after "--": method, file of the body or "-", how many to send at once), and a
-- line with the exact numbers. A scenario's requests stay static: there is no response() here and request() answers the
-- same bytes, which wrk asks for once, so its fast path is used.
function init(args)
  wrk.method = args[1]
  if args[2] ~= "-" then
    local file = assert(io.open(args[2], "rb"))
    wrk.body = file:read("*a")
    file:close()
  end
  local one, times = wrk.format(), tonumber(args[3])
  if times > 1 then
    wrk.format = function() return string.rep(one, times) end
  end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    "bench requests=%d duration_us=%d bytes=%d p50_us=%d p99_us=%d connect=%d read=%d write=%d status=%d timeout=%d\n",
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
