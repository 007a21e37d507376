-- Keep callbacks, and call workers to them unless enough are called.
-- KEYS: due, bodies, tickets    ARGV: most tickets, a ticket, what stands for its id in it, then id, callback and time of
--       arrival of each    Reply: how many were kept
local now = clock()
local missing = tonumber(ARGV[1]) - redis.call('LLEN', KEYS[3])
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  redis.call('HSET', KEYS[2], id, ARGV[i + 1])
  -- An ingress whose clock is ahead must not have its callbacks wait until Redis's is there too.
  redis.call('ZADD', KEYS[1], math.min(ARGV[i + 2], now), id)
  if missing > 0 then
    -- A callback lends its ticket its id, which nothing else has.
    redis.call('LPUSH', KEYS[3], (string.gsub(ARGV[2], ARGV[3], id)))
    missing = missing - 1
  end
end
return (#ARGV - 3) / 3
