-- Shared: the names of a task's assets, which its record holds as lines.
local function names(task)
  local found = {}
  for name in string.gmatch(redis.call('HGET', task, 'assets') or '', '[^\n]+') do found[#found + 1] = name end
  return found
end

