package config

import (
	"cove/errdefs"
	"cove/internal/strictyaml"
)

// Limits bound what one client may ask for. What is beyond one of them is refused with a
// body that names the limit.
type Limits struct {
	// Stall is how long a client may send or take nothing; 0 is 30s. A
	// connection without a request is closed after the same time.
	Stall strictyaml.Duration `yaml:"stall"`
	// Connections is how many one address may have open at once; 0 is 512.
	// Trusted proxies have no limit.
	Connections int `yaml:"connections"`
	// Requests is how many of one address are worked on at once, over all of its
	// connections: one of HTTP/2 carries hundreds. 0 is 1,024.
	Requests int `yaml:"requests"`
	// Headers is how many bytes the header of a request may have; 0 is 64 KiB.
	Headers int `yaml:"headers"`
	// Manifest is how many bytes a manifest may have; 0 is 4 MiB.
	Manifest int `yaml:"manifest"`
	// Depth is how deep objects may lie in each other in a manifest; 0 is 32, which
	// is also the most.
	Depth int `yaml:"depth"`
	// Name is how many bytes the name of a repository may have; 0 is 255, which is
	// also the most: clients add the host's name and take no more.
	Name int `yaml:"name"`
	// Page is how many tags, repositories or referrers one answer lists; 0 is 1,000.
	Page int `yaml:"page"`
	// Uploads is how many uploads one account may have begun and not ended; 0 is 10,000.
	Uploads int `yaml:"uploads"`
}

// bound is one limit: what it is when none is set, and between what it must lie.
type bound struct {
	key                string
	value              *int
	usual, least, most int
}

func (l *Limits) bounds() []bound {
	const endless = 1 << 30
	return []bound{
		{"connections", &l.Connections, 512, 1, endless},
		{"requests", &l.Requests, 1024, 1, endless},
		{"headers", &l.Headers, 64 << 10, 4 << 10, 1 << 20},
		{"manifest", &l.Manifest, 4 << 20, 1 << 10, 16 << 20},
		{"depth", &l.Depth, 32, 4, 32},
		{"name", &l.Name, 255, 1, 255},
		{"page", &l.Page, 1000, 1, 10_000},
		{"uploads", &l.Uploads, 10_000, 1, endless},
	}
}

// check refuses what cannot be held.
func (l *Limits) check() error {
	for _, b := range l.bounds() {
		if v := *b.value; v != 0 && (v < b.least || v > b.most) {
			return errdefs.Errorf(
				errdefs.ErrInvalid, "config: limits: %s is %d; use %d to %d", b.key, v, b.least, b.most)
		}
	}
	return nil
}

// Set are the limits with a value for each that none was set for.
func (l Limits) Set() Limits {
	for _, b := range l.bounds() {
		if *b.value == 0 {
			*b.value = b.usual
		}
	}
	return l
}
