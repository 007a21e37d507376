-- Shared: the fleet's turns at the provider. Requests are at least 1/rate seconds apart, whichever worker sends them
-- (test_all_workers_together_keep_to_the_rate).
local turns = {}

-- Take a turn: 0, or the seconds to wait for one.
function turns.take(provider, rate, now)
  local free_at = tonumber(redis.call('HGET', provider, 'free_at') or '0')
  if free_at > now then return free_at - now end
  redis.call('HSET', provider, 'free_at', string.format('%.6f', now + 1 / rate))
  return 0
end

-- The seconds for which nobody may ask, because the provider refused the last request of this key. When they are over,
-- one request may find out whether the provider answers again.
function turns.pause(provider, key, now)
  local known = redis.call('HMGET', provider, 'key', 'until')
  if known[1] ~= key then
    redis.call('HSET', provider, 'key', key)
    redis.call('HDEL', provider, 'until', 'reason', 'detail', 'wait', 'since', 'set_at')
  elseif known[2] then
    return tonumber(known[2]) - now
  end
  return 0
end

