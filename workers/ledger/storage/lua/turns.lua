-- Shared: the fleet's turns at the provider. Requests are at least 1/rate seconds apart, whichever worker sends them
-- (test_all_workers_together_keep_to_the_rate).
local turns = {}

-- Take a turn: 0, or the seconds to wait for one.
function turns.take(provider, rate, now)
  -- Redis's clock may have been set back; no turn is ever further away than one step.
  local free_at = math.min(tonumber(redis.call('HGET', provider, 'free_at') or '0'), now + 1 / rate)
  if free_at > now then return free_at - now end
  redis.call('HSET', provider, 'free_at', string.format('%.6f', now + 1 / rate))
  return 0
end

-- The seconds for which nobody may ask with this key, because the provider refused a request. When they are over, one
-- request may find out whether the provider answers again.
function turns.pause(pause, now)
  local known = redis.call('HMGET', pause, 'until', 'wait')
  return known[1] and math.min(known[1] - now, tonumber(known[2])) or 0
end

