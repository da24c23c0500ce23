// Package resolve answers a container's questions for names: those of the
// containers on its networks from the pools of addresses, as they are at that
// moment, and all others by asking the servers of the host (RFC 1035).
package resolve

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"cove/internal/ids"
	"cove/network/definition"
	"cove/network/etc"
	"cove/network/ipam"
)

// book is who is on the networks of one container. It is safe for concurrent use.
type book struct {
	defs  *definition.Store
	dir   string
	id    string // the container's
	links map[string]etc.Link

	mu    sync.Mutex
	pages map[string]*page // by ID of the network
	names seen
}

// page is one network.
type page struct {
	name  string
	seen  seen
	mine  bool // the container is on it
	names map[string][]ipam.Lease
	addrs map[netip.Addr]string
	lives map[string]time.Time // of owners of leases, when they were seen to live
}

// seen is a file as it was read. One that changed a moment before may change again
// without its time showing it, and is read again.
type seen struct {
	mod  time.Time
	size int64
}

// settled is longer than the clock of any file system ticks.
const settled = 50 * time.Millisecond

func seenOf(info fs.FileInfo) seen {
	if time.Since(info.ModTime()) < settled {
		return seen{}
	}
	return seen{info.ModTime(), info.Size()}
}

func (s seen) still(info fs.FileInfo) bool {
	return !s.mod.IsZero() && s.mod.Equal(info.ModTime()) && s.size == info.Size()
}

func newBook(cfg etc.Asker) *book {
	defs := definition.Open(cfg.Dir)
	return &book{defs: defs, dir: defs.Dir(""), id: cfg.ID, links: cfg.Links, pages: map[string]*page{}}
}

// refresh reads what has changed. The caller holds mu.
func (b *book) refresh() {
	info, err := os.Stat(b.dir)
	if err != nil {
		b.pages = map[string]*page{}
		return
	}
	if !b.names.still(info) {
		b.names = seenOf(info)
		b.list()
	}
	for id, p := range b.pages {
		dir := b.defs.Dir(id)
		info, err := os.Stat(ipam.Path(dir))
		if err != nil {
			p.fill(b, nil)
			continue
		}
		if p.seen.still(info) {
			continue
		}
		p.seen = seenOf(info)
		pool, err := ipam.Read(dir)
		if err != nil {
			pool = nil
		}
		p.fill(b, pool)
	}
}

// list keeps pages of the networks that there are.
func (b *book) list() {
	all, err := b.defs.All()
	if err != nil {
		return // what was known stays
	}
	pages := map[string]*page{}
	for _, def := range all {
		if pages[def.ID] = b.pages[def.ID]; pages[def.ID] == nil {
			pages[def.ID] = &page{name: def.Name}
		}
	}
	b.pages = pages
}

func (p *page) fill(b *book, pool *ipam.Pool) {
	p.mine, p.names, p.addrs, p.lives = false, nil, nil, map[string]time.Time{}
	if pool == nil {
		return
	}
	var own ipam.Lease
	if own, p.mine = pool.Leases[b.id]; !p.mine {
		return
	}
	p.names, p.addrs = map[string][]ipam.Lease{}, map[netip.Addr]string{}
	for holder, l := range pool.Leases {
		names := append([]string{l.Name, ids.Short(holder)}, l.Aliases...)
		for i, name := range names {
			name = strings.ToLower(name)
			if name != "" && !slices.Contains(names[:i], name) {
				p.names[name] = append(p.names[name], l)
			}
		}
		p.addrs[l.IP] = l.Name
		if l.IP6.IsValid() {
			p.addrs[l.IP6] = l.Name
		}
	}
	linked := map[string][]ipam.Lease{} // apart: a link leads to a container, not to another link
	link := func(alias, id, name string) {
		found := p.names[strings.ToLower(name)]
		if l, ok := pool.Leases[id]; ok {
			found = []ipam.Lease{l}
		}
		if len(found) > 0 {
			linked[strings.ToLower(alias)] = found
		}
	}
	for alias, to := range b.links {
		link(alias, to.ID, to.Name)
	}
	for _, to := range own.Links {
		link(to.Alias, to.ID, to.Name)
	}
	maps.Copy(p.names, linked)
}

// believed is how long an owner that was seen to live is not looked at again: one that is
// killed leaves its lease as it is, and thousands of questions may come in a second.
const believed = 20 * time.Millisecond

// alive reports whether the owner of a lease has not ended.
func (p *page) alive(l ipam.Lease) bool {
	now := time.Now()
	if now.Sub(p.lives[l.Owner]) < believed {
		return true
	}
	if !l.Alive() {
		delete(p.lives, l.Owner)
		return false
	}
	p.lives[l.Owner] = now
	return true
}

// addresses are those of a name, of both families and in any order; known is false for a name of
// nobody here.
func (b *book) addresses(name string) (all []netip.Addr, known bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refresh()
	for _, p := range b.pages {
		if !p.mine {
			continue
		}
		found := p.names[name]
		if short, ok := strings.CutSuffix(name, "."+strings.ToLower(p.name)); ok {
			found = append(slices.Clip(found), p.names[short]...)
		}
		for _, l := range found {
			if !p.alive(l) {
				continue
			}
			for _, ip := range []netip.Addr{l.IP, l.IP6} {
				if ip.IsValid() && !slices.Contains(all, ip) {
					all = append(all, ip)
				}
			}
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all, len(all) > 0
}

// name is that of the container with an address, with its network behind it.
func (b *book) name(addr netip.Addr) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refresh()
	for _, p := range b.pages {
		if name := p.addrs[addr]; name != "" {
			return name + "." + p.name + ".", true
		}
	}
	return "", false
}
