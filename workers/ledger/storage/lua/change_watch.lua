-- Change fields of a watch, unless it has ended and another one has begun, or Redis was emptied
-- (test_an_answer_about_a_task_that_redis_has_forgotten_leaves_no_record).
-- KEYS: watches, watch
-- ARGV: task, when the watch began, '1' if the next request is due now, the names of the fields to delete, with blanks
--       between them, then the names and values of the fields to set
-- Reply: 1, or 0 if it is another watch
if redis.call('HGET', KEYS[2], 'since') ~= ARGV[2] then return 0 end
for name in string.gmatch(ARGV[4], '%S+') do redis.call('HDEL', KEYS[2], name) end
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[1], 'XX', clock(), ARGV[1]) end
return 1
