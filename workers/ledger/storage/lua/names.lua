-- Shared: the asset names in a task's record, where they stand one a line.
local function names(task)
  local found = {}
  for name in string.gmatch(redis.call('HGET', task, 'assets') or '', '[^\n]+') do found[#found + 1] = name end
  return found
end

