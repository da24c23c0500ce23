// Package serving is the rows of registries.
package serving

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cove/bench/asker"
	"cove/bench/figures"
	"cove/bench/lab"
	"cove/bench/machine"
	"cove/bench/peers"
)

// registries are the servers; all speak plain HTTP.
var registries = []struct{ name, address string }{
	{peers.Cove, "127.0.0.1:5101"},
	{peers.DockerRegistry, "127.0.0.1:5102"},
	{peers.Distribution, "127.0.0.1:5103"},
	{peers.BareServer, "127.0.0.1:5104"},
}

// served needs a registry, on the disk, with an image of each size.
func served(kind, address string) lab.Need {
	return lab.Need{Name: "registry " + kind, Do: func(ctx context.Context, l *lab.Lab) error {
		s, err := peers.Registry(l, kind, address, filepath.Join(l.Vars["DISK"], kind))
		if err != nil {
			return err
		}
		l.Vars[processOf(kind)] = strconv.Itoa(s.PID())
		c := &asker.Client{Base: "http://" + address}
		one, ten := asker.NewLayer(1<<20), asker.NewLayer(10<<20)
		return errors.Join(c.PushImage(ctx, "one", one), c.PushImage(ctx, "ten", ten))
	}}
}

// processOf is the variable that holds a registry's process.
func processOf(kind string) string {
	return strings.ToUpper(strings.ReplaceAll(kind, " ", "_")) + "_PID"
}

// protocolRows are the protocol measured by a small client of our own, four at
// once, one "image" being a layer, a config and a manifest.
// Rows are these.
func Rows() []lab.Row {
	load := func(prepare func() work) []lab.Contender {
		var in []lab.Contender
		for _, r := range registries {
			in = append(in, lab.Contender{
				Name: r.name, Needs: []lab.Need{served(r.name, r.address)},
				Value: func(ctx context.Context, _ *lab.Lab) (float64, error) {
					return p50(ctx, &asker.Client{Base: "http://" + r.address}, prepare())
				},
			})
		}
		return in
	}
	push := func(size int) []lab.Contender {
		return load(func() work {
			// Made before the clock starts: random bytes and their digests would
			// take more of these two cores than some of the registries do.
			layers := make([]asker.Blob, clients*perClient)
			for n := range layers {
				layers[n] = asker.NewLayer(size)
			}
			return func(ctx context.Context, c *asker.Client, n int) error {
				return c.PushImage(ctx, fmt.Sprint("n", n), layers[n])
			}
		})
	}
	pull := func(tag string) []lab.Contender {
		return load(func() work {
			return func(ctx context.Context, c *asker.Client, _ int) error { return c.PullImage(ctx, tag) }
		})
	}
	const floor = "the bare server keeps no database, knows no accounts and checks no manifest (bench/bare): what it takes " +
		"is the part of this client, the processor and the disk, which no registry that makes bytes durable is without."
	pushes, pulls := lab.Within(0.4, peers.Distribution), lab.Within(0.15, peers.Distribution)
	bare := lab.Within(1.2, peers.BareServer)
	rows := []lab.Row{
		{Name: "registry: push of a 1 MB image, 4 clients, p50", Target: pushes, In: push(1 << 20), Note: floor},
		{Name: "registry: push of a 10 MB image, 4 clients, p50", Target: pushes, In: push(10 << 20), Note: floor},
		{Name: "registry: pull of a 1 MB image, 4 clients, p50", Target: pulls, In: pull("one")},
		{Name: "registry: pull of a 10 MB image, 4 clients, p50", Target: bare, In: pull("ten")},
		{Name: "registry: HEAD of a manifest, 4 clients, p50", In: load(func() work {
			return func(ctx context.Context, c *asker.Client, _ int) error {
				_, err := c.Do(ctx, asker.Call{Method: http.MethodHead, Path: "/v2/bench/app/manifests/one"})
				return err
			}
		})},
	}
	for i := range rows {
		rows[i].Rounds = 5
	}
	return append(rows, lab.Row{
		Name: "registry: resident memory after that", Target: figures.Target{Most: 60}, Rounds: 1,
		Cold: true, Unit: "MB", In: resident(),
	})
}

// resident are the registries' processes, measured by what they take.
func resident() []lab.Contender {
	var in []lab.Contender
	for _, r := range registries {
		if r.name == peers.BareServer {
			continue
		}
		in = append(in, lab.Contender{
			Name: r.name, Needs: []lab.Need{served(r.name, r.address)},
			Value: func(_ context.Context, l *lab.Lab) (float64, error) {
				pid, err := strconv.Atoi(l.Vars[processOf(r.name)])
				if err != nil {
					return 0, err
				}
				return machine.Resident(pid)
			},
		})
	}
	return in
}

// work is what one of the clients does for the nth time.
type work func(ctx context.Context, c *asker.Client, n int) error

const clients, perClient = 4, 8

// p50 has four clients do something and returns the median in ms.
func p50(ctx context.Context, c *asker.Client, do work) (float64, error) {
	var (
		mu     sync.Mutex
		times  []float64
		failed error
		wg     sync.WaitGroup
	)
	for client := range clients {
		wg.Go(func() {
			for n := range perClient {
				start := time.Now()
				err := do(ctx, c, client*perClient+n)
				ms := float64(time.Since(start).Microseconds()) / 1000
				mu.Lock()
				times = append(times, ms)
				if err != nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(times)
	return times[len(times)/2], failed
}
