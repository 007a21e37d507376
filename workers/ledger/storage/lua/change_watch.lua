-- Change fields of a watch, unless it has ended and another one has begun, or Redis was emptied
-- (test_an_answer_about_a_task_that_redis_has_forgotten_leaves_no_record).
-- KEYS: watches, watch
-- ARGV: task, when the watch began, '1' if the next request is due now, the names of the fields to delete, with blanks
--       between them, when the answered request was sent, then the names and values of the fields to set. A refresh
--       that was wanted after it stays (test_an_answer_of_an_unfinished_task_serves_its_refresh)
-- Reply: 1, or 0 if it is another watch
if redis.call('HGET', KEYS[2], 'since') ~= ARGV[2] then return 0 end
local refreshed_at = tonumber(redis.call('HGET', KEYS[2], 'refreshed_at') or '0')
for name in string.gmatch(ARGV[4], '%S+') do
  if name ~= 'refresh_until' or refreshed_at <= tonumber(ARGV[5]) then redis.call('HDEL', KEYS[2], name) end
end
for i = 6, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[1], 'XX', clock(), ARGV[1]) end
return 1
