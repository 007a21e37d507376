-- An attempt failed and a later one may succeed: give the asset back, with a timer for the end of the backoff.
-- KEYS: record, timers, taken
-- ARGV: member, owner, reason, streak, time of the timer, deadline of an asset whose partial file the next attempt
--       stores ('' if it does not), then fields and values
-- Reply: 1, or 0 if the lease was lost
local record = KEYS[1]
local known = redis.call('HMGET', record, 'state', 'owner')
if known[1] ~= 'transferring' or known[2] ~= ARGV[2] then return 0 end
redis.call('HSET', record, 'state', 'pending', 'error', ARGV[3], 'streak', ARGV[4])
redis.call('HDEL', record, 'owner', 'lease', 'lapses', 'crashes', 'crashes_in_company')
for i = 7, #ARGV, 2 do redis.call('HSET', record, ARGV[i], ARGV[i + 1]) end
redis.call('HDEL', KEYS[3], ARGV[2])
if redis.call('HDEL', record, 'fresh') == 1 then
  -- A fresh URL came during the attempt. It is tried at once, before the asset is given up
  -- (test_a_fresh_url_that_comes_during_an_attempt_does_not_wait_for_the_old_ones_backoff).
  redis.call('HDEL', record, 'final')
  redis.call('HSET', record, 'streak', 0)
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
  return 1
end
if ARGV[6] ~= '' then redis.call('HSET', record, 'final', '1', 'deadline', math.floor(ARGV[6])) end
redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1])
return 1
