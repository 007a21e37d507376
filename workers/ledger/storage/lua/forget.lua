-- Forget a settled task whose manifest is written. Only such a record has a TTL: a task in flight, or one that has
-- changed since, has none (test_a_task_whose_manifest_is_not_written_is_not_forgotten).
-- KEYS: task    ARGV: prefix of its assets' records    Reply: 1, or 0 if it must be kept
if redis.call('TTL', KEYS[1]) < 0 or redis.call('HEXISTS', KEYS[1], 'recalling') == 1 then return 0 end
for _, name in ipairs(names(KEYS[1])) do redis.call('DEL', ARGV[1] .. name) end
redis.call('DEL', KEYS[1])
return 1
