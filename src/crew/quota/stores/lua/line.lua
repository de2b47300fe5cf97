-- the store's join_queue and leave_queue. KEYS: line, and to line up: the pool. ARGV: numbers,
-- nonce. Numbers: time told, ticket (0: a new one), seconds, requests, input_tokens,
-- output_tokens, nano_usd. Answers the ticket.

local told, ticket, seconds, requests, sent, answered, nano_usd =
  unpack_numbers('<ddddddd', ARGV[1])
local pool, nonce, now = KEYS[2], ARGV[2], time(told)
local line = line_from(call('GET', KEYS[1]))
if not pool then
  if remove_place(line, ticket) then keep_line(KEYS[1], line, now) end
  return exact('%.0f', ticket)
end
if ticket ~= 0 then
  remove_place(line, ticket)
else
  for _, place in ipairs(line.places) do
    if place[8] == nonce then return exact('%.0f', place[1]) end
  end
  -- Tickets follow the time, so that no counter has to outlive the line.
  ticket = math.max(line.last + 1, math.floor(now * 1000000))
  line.last = ticket
end
table.insert(line.places,
  {ticket, pool, now + seconds, requests, sent, answered, nano_usd, nonce})
keep_line(KEYS[1], line, now)
return exact('%.0f', ticket)
