-- SPDX-License-Identifier: BSD-3-Clause
-- New sessions: shots of 16,384 packets, each the first of a session. Subscribers were not there
-- before, 521 in a shot with up to 64 source ports each, so blocks, mappings, ports and sessions are
-- made. SHOTS shots at each rate.
--
-- PCAP=yes: instead one of the SESSIONS packets that the file of port 0 has.
--
-- A shot is no longer because Pktgen builds only so many packets (16,384 to 32,768 a port), and then
-- sends them again. 521 x 64 pairs are more than those, so that no two are the same.

local weir = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "weir.lua")
local subscribers, ports, packets = 521, 64, 16384
local shots = weir.setting("SHOTS", 4)
local shot = 0 -- of all

-- What the file of port 0 has, once.
local function from_file()
	local sessions = weir.setting("SESSIONS", 1048576)

	weir.set_rate(weir.inside, weir.rate)
	local link = weir.shot(weir.out(), sessions)
	weir.say("%s new sessions in %.2f s, %.3f million a second; lost %s (%.4f %%)", weir.grouped(link.sent),
		link.elapsed, link.received / link.elapsed / 1e6, weir.grouped(link.lost), link.lost_percent)
end

local function shots_at(rate)
	local sent, lost, offered = 0, 0, 0

	for _ = 1, shots do
		local link = weir.out()

		weir.range(weir.inside,
			{ address = weir.address("100.65.0.0", shot * subscribers), addresses = subscribers,
				port = 1024, ports = ports },
			{ address = weir.remote, port = weir.remote_port }, weir.size)
		offered = weir.set_rate(weir.inside, rate)
		weir.shot(link, packets)
		sent, lost, shot = sent + link.sent, lost + link.lost, shot + 1
	end
	local percent = sent > 0 and 100 * lost / sent or 100
	weir.say("%.3f million new sessions a second offered: lost %s of %s (%.4f %%)", offered,
		weir.grouped(lost), weir.grouped(sent), percent)
	return percent, offered * (1 - percent / 100)
end

weir.begin()
if weir.from_file(weir.inside) then
	from_file()
else
	weir.say("%d shots of %s new sessions, %d B", shots, weir.grouped(packets), weir.size)
	weir.at_rates(shots_at)
end
weir.finish()
