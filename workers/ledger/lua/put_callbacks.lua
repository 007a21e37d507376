-- Keep callbacks, and call workers to them unless enough are called.
-- KEYS: due, bodies, tickets    ARGV: most tickets, a ticket, what stands for its id in it, then id, body and time of
--       arrival of each, '' for now    Reply: how many were kept
local now = clock()
local missing = tonumber(ARGV[1]) - redis.call('LLEN', KEYS[3])
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  -- Nothing arrives later than now, whatever the clock says of the host that told the time.
  -- Those that come together keep their order.
  local at = ARGV[i + 2] == '' and now - (#ARGV - i - 2) * 1e-6 or math.min(ARGV[i + 2], now)
  redis.call('HSET', KEYS[2], id, string.format('%.6f', at) .. '\n' .. ARGV[i + 1])
  redis.call('ZADD', KEYS[1], at, id)
  if missing > 0 then
    -- A callback lends its ticket its id, which nothing else has.
    redis.call('LPUSH', KEYS[3], (string.gsub(ARGV[2], ARGV[3], id)))
    missing = missing - 1
  end
end
return (#ARGV - 3) / 3
