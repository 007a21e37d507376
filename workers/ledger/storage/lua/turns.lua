-- Shared: the fleet's turns at the provider. Requests are at least 1/rate seconds apart, whichever worker sends them
-- (test_all_workers_together_keep_to_the_rate).
local turns = {}

-- Take a turn: 0, or the seconds to wait for one.
function turns.take(provider, rate, now)
  local free_at = tonumber(redis.call('HGET', provider, 'free_at') or '0')
  -- A turn that is further away than one step is from before Redis's clock was set back.
  if free_at > now and free_at <= now + 1.01 / rate then return free_at - now end
  redis.call('HSET', provider, 'free_at', string.format('%.6f', now + 1 / rate))
  return 0
end

-- The seconds for which no worker may ask with this key, because the provider refused a request. When they are over, one
-- request may find out whether the provider answers again.
function turns.pause(pause, now)
  local known = redis.call('HMGET', pause, 'until', 'wait')
  if not known[1] then return 0 end
  if known[1] - now > tonumber(known[2]) + 1 then
    -- Redis's clock was set back: the pause begins anew.
    redis.call('HSET', pause, 'until', string.format('%.3f', now + known[2]), 'set_at', string.format('%.3f', now))
    return tonumber(known[2])
  end
  return known[1] - now
end

