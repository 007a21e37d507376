-- Store callbacks, and send wake-up messages for them up to a limit.
-- KEYS: due, bodies, wake-up messages
-- ARGV: most wake-up messages, a template of one, the placeholder for its id, then id, body and time of arrival ('' for
--       now) of each callback
-- Reply: how many callbacks were stored
local now = clock()
local missing = tonumber(ARGV[1]) - redis.call('LLEN', KEYS[3])
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  -- A time of arrival is never later than Redis's clock, even if the host's clock is fast.
  -- Callbacks of one batch keep their order.
  local at = ARGV[i + 2] == '' and now - (#ARGV - i - 2) * 1e-6 or math.min(ARGV[i + 2], now)
  redis.call('HSET', KEYS[2], id, string.format('%.6f', at) .. '\n' .. ARGV[i + 1])
  redis.call('ZADD', KEYS[1], at, id)
  if missing > 0 then
    -- The callback's id is unique, so it serves as the message's id too.
    redis.call('LPUSH', KEYS[3], (string.gsub(ARGV[2], ARGV[3], id)))
    missing = missing - 1
  end
end
return (#ARGV - 3) / 3
