package proxy

import "cove/registry/proxy/standing"

// State tells how the upstream of a project does; it is zero of one that was not asked
// for anything.
func (p *Proxies) State(project string) (s standing.State) {
	p.mu.Lock()
	u := p.upstreams[project]
	p.mu.Unlock()
	if u == nil {
		return s
	}
	s = u.standing.State()
	s.RestsUntil = u.rest.Until()
	return s
}

func (p *Proxies) hit(u *upstream)  { p.hits.Add(1); u.standing.Hits.Add(1) }
func (p *Proxies) miss(u *upstream) { p.misses.Add(1); u.standing.Misses.Add(1) }
func (p *Proxies) old(u *upstream)  { p.stale.Add(1); u.standing.Stale.Add(1) }
