-- SPDX-License-Identifier: BSD-3-Clause
-- From the outside to the inside: first subscribers.lua's sessions are opened, then their remote
-- answers. BOTH=yes: both directions at once.
--
-- Public ports are unpredictable, but with the configurations beside every port of the pool is
-- somebody's once 255 subscribers have 64 each, so the answers go to all of them in turn. Or they
-- are learnt: flows.lua makes a file of what weir says, for PCAP=yes; LEARNT=FILE takes the first 16
-- of it without, as many as a sequence has.

local weir = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "weir.lua")
local subscribers, ports = 255, 64
local learnt = weir.setting("LEARNT", "")

local function measure()
	if weir.setting("BOTH", "no") == "yes" then
		weir.measure(weir.out(), weir.back())
	else
		weir.measure(weir.back())
	end
end

-- Port 0 opens the sessions.
local function open()
	weir.set_rate(weir.inside, weir.rate)
	weir.shot(weir.out(), weir.setting("SESSIONS", 500000))
end

weir.begin()
if weir.from_file(weir.inside) and weir.from_file(weir.outside) then
	open()
	measure()
elseif learnt ~= "" then
	local packets = weir.read_learnt(learnt)

	weir.say("the first 16 of %d learnt sessions", #packets)
	weir.sequence(weir.outside, table.move(packets, 1, 16, 1, {}))
	weir.measure(weir.back())
else
	local everybody = { address = "100.64.0.1", addresses = subscribers, port = 1024, ports = ports }
	local remote = { address = weir.remote, port = weir.remote_port }

	weir.range(weir.inside, everybody, remote, weir.size)
	weir.range(weir.outside, remote,
		{ address = weir.public, port = weir.public_first, ports = subscribers * ports }, weir.size)
	open()
	weir.say("%d sessions, %d B", subscribers * ports, weir.size)
	measure()
end
weir.finish()
