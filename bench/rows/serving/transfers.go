package serving

import (
	"context"
	"fmt"
	"net/http"

	"cove/bench/asker"
	"cove/bench/figures"
	"cove/bench/lab"
	"cove/bench/peers"
)

// shape is one size of images at one number of clients.
type shape struct {
	size, clients int
	each          int // how many images a client moves in one run
	rounds        int
}

func (s shape) words() string {
	clients := fmt.Sprintf("%d clients", s.clients)
	if s.clients == 1 {
		clients = "1 client"
	}
	return fmt.Sprintf("of a %d MB image, %s, p50", s.size>>20, clients)
}

// target is what a row is held to, where the bench always held it.
func (s shape) target(of string, secure bool) figures.Target {
	switch {
	case s.clients != 4 || secure || s.size > 10<<20:
		return figures.Target{}
	case of == "push":
		return lab.Within(0.4, peers.Distribution)
	case s.size == 1<<20:
		return lab.Within(0.15, peers.Distribution)
	}
	return lab.Within(1.2, peers.BareServer)
}

const floor = "the bare server keeps no database, knows no accounts and checks no manifest (bench/bare): what it takes " +
	"is the part of this client, the processor and the disk, which no registry that makes bytes durable is without."

// transfers are pushes and pulls, measured by a small client of our own, one "image"
// being a layer, a config and a manifest.
func transfers(title string, all []*registry, shapes []shape) (rows []lab.Row) {
	for _, s := range shapes {
		push := lab.Row{Name: title + ": push " + s.words(), Rounds: s.rounds, Note: floor}
		pull := lab.Row{Name: title + ": pull " + s.words(), Rounds: s.rounds}
		push.Target, pull.Target = s.target("push", all[0].secure), s.target("pull", all[0].secure)
		if all[0].secure || s.clients != 4 {
			push.Note = ""
		}
		push.Cold = s.rounds == 1 // what would warm it up is as much as it measures
		for _, r := range all {
			push.In = append(push.In, s.load(pushing(s)).contender(r, push.Cold, r.runs()))
			pull.In = append(pull.In, s.load(pulling(s)).contender(r, false, r.has(s.size)))
		}
		rows = append(rows, push, pull)
	}
	return rows
}

func (s shape) load(prepare func() work) load {
	return load{clients: s.clients, each: s.each, bytes: int64(s.size), prepare: prepare}
}

// pushing makes layers before the clock starts: random bytes and their digests would take
// more of the processors than some of the registries do.
func pushing(s shape) func() work {
	return func() work {
		layers := make([]asker.Blob, s.clients*s.each)
		for n := range layers {
			layers[n] = asker.NewLayer(s.size)
		}
		return func(ctx context.Context, c *asker.Client, n int) error {
			return c.PushImage(ctx, fmt.Sprint("n", n), layers[n])
		}
	}
}

func pulling(s shape) func() work {
	return func() work {
		return func(ctx context.Context, c *asker.Client, _ int) error { return c.PullImage(ctx, tagOf(s.size)) }
	}
}

// heads is the question for a manifest, which is most of what a registry is asked.
func heads(title string, all []*registry) []lab.Row {
	const size = 1 << 20
	path := "/v2/" + asker.Repository + "/manifests/" + tagOf(size)
	row := lab.Row{Name: title + ": HEAD of a manifest, 4 clients, p50", Rounds: 5}
	if !all[0].secure {
		row.Target = lab.Within(0.4, peers.Distribution)
	}
	for _, r := range all {
		ld := load{clients: 4, each: 100, prepare: func() work {
			return func(ctx context.Context, c *asker.Client, _ int) error {
				_, err := c.Do(ctx, asker.Call{Method: http.MethodHead, Path: path})
				return err
			}
		}}
		row.In = append(row.In, ld.contender(r, false, r.has(size)))
	}
	return []lab.Row{row}
}
