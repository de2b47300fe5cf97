-- MemoryStore.cool_down and throttle.
-- KEYS: the pool. ARGV: numbers, and to cool down: the reason.
-- Numbers: time told, until. Answers the share of its limits that the pool uses.

local told, until_ = unpack_numbers('<dd', ARGV[1])
local now = time(told)
local book = open_books(KEYS)[1]
if ARGV[2] then
  if until_ > (book.cooldown and book.cooldown[1] or 0) then
    book.cooldown, book.changed = {until_, ARGV[2]}, true
  end
else
  -- Throttle.decreased
  local before = book.throttle or {1, 0}
  if before[1] >= 1 or now - before[2] >= HOLD_SECONDS then
    local share = math.max(LEAST_THROTTLE, share_now(before, now) * DECREASE)
    book.throttle, book.changed = {share, now}, true
  end
end
local share = share_now(book.throttle, now)
close_book(book, now)
return exact('%.17g', share)
