-- Stop asking about a task. The outcome is kept for a while; so are the times of the last request and the last refresh.
-- A refresh ends with an answer to a request that was sent after it was wanted, or with its own time. If the watch that
-- it was merged with ends otherwise, it goes on alone (test_a_refresh_that_is_wanted_during_a_request_comes_after_it,
-- test_a_refresh_outlives_the_watch_that_it_was_merged_with).
-- KEYS: watches, watch, counters
-- ARGV: task, outcome, reason, seconds to keep it, '1' if the answer of a request ends it, '' if a callback does,
--       the only purpose for which the watch may end ('' for any): it may have got a stronger one since; when the
--       watch began ('' for any): a newer watch goes on; when the answered request was sent ('' for the last one):
--       another may be under way (test_an_answer_to_a_request_that_was_sent_before_ends_no_refresh); least
--       seconds between two requests
-- Reply: 1, or 0 if the task is not watched or goes on being watched
local known = redis.call('HMGET', KEYS[2], 'purpose', 'refreshed_at', 'asked_at', 'refresh_until', 'since', 'until')
if ARGV[6] ~= '' and known[1] ~= ARGV[6] then return 0 end
if ARGV[7] ~= '' and known[5] ~= ARGV[7] then return 0 end
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == false then return 0 end
local answered = ARGV[8] ~= '' and ARGV[8] or known[3] or '0'
local is_later = known[2] and tonumber(known[2]) > tonumber(answered)
local is_answered = ARGV[5] ~= '' and ARGV[2] ~= 'given_up' and not is_later
-- An older version writes no refresh_until.
local refresh_until = known[4] or (known[1] == 'refresh' and known[6])
if not is_answered and refresh_until and tonumber(refresh_until) > clock() then
  redis.call('HSET', KEYS[2], 'purpose', 'refresh', 'until', refresh_until)
  -- A last request that is in the future is from before Redis's clock was set back.
  local next_at = math.min(tonumber(known[3] or '0'), clock()) + ARGV[9]
  if is_later then redis.call('ZADD', KEYS[1], math.max(tonumber(known[2]), next_at), ARGV[1]) end
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'outcome', ARGV[2], 'reason', ARGV[3], 'ended_at', string.format('%.3f', clock()))
redis.call('HDEL', KEYS[2], 'until', 'tried', 'doubtful', 'unknown', 'exists', 'refresh_until')
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('HINCRBY', KEYS[3], 'watches|' .. ARGV[2] .. '|' .. ARGV[3], 1)
return 1
