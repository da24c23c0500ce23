package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cove/bench/asker"
	"cove/bench/figures"
	"cove/bench/machine"
	"cove/bench/roles"
)

// registries are the servers; all speak plain HTTP.
var registries = []struct{ name, address string }{
	{cove, "127.0.0.1:5101"},
	{"docker-registry", "127.0.0.1:5102"},
	{distribution, "127.0.0.1:5103"},
	{bareServer, "127.0.0.1:5104"},
}

const (
	distribution = "distribution"
	// bareServer is no registry but the least that does this work, see package bare.
	bareServer = "bare server"
)

const distributionConf = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}
http: {addr: "%s"}
`

// serveRegistry starts one of the registries with its storage in a folder of
// the directory under.
func (tb *testbed) serveRegistry(kind, address, under, name string) (*server, error) {
	root := filepath.Join(under, name)
	if kind == cove {
		return tb.serve(name, "tcp", address, tb.vars["BIN"]+"/registry", "serve", "--root", root, "--listen", address,
			"--tls=off")
	}
	if kind == bareServer {
		own, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return tb.serve(name, "tcp", address, "env", roles.Variable+"="+roles.Bare, own, root, address)
	}
	program := "docker-registry"
	if kind == distribution {
		program = tb.vars["CACHE"] + "/registry"
	}
	conf := filepath.Join(tb.work, name+".yml")
	if err := os.WriteFile(conf, fmt.Appendf(nil, distributionConf, root, address), 0o644); err != nil {
		return nil, err
	}
	return tb.serve(name, "tcp", address, program, "serve", conf)
}

// served needs a registry, on the disk, with an image of each size.
func served(kind, address string) need {
	return need{"registry " + kind, func(ctx context.Context, tb *testbed) error {
		s, err := tb.serveRegistry(kind, address, tb.vars["DISK"], kind)
		if err != nil {
			return err
		}
		tb.vars[processOf(kind)] = strconv.Itoa(s.cmd.Process.Pid)
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
func protocolRows() []row {
	load := func(prepare func() work) []contender {
		var in []contender
		for _, r := range registries {
			in = append(in, contender{
				name: r.name, needs: []need{served(r.name, r.address)},
				value: func(ctx context.Context, _ *testbed) (float64, error) {
					return p50(ctx, &asker.Client{Base: "http://" + r.address}, prepare())
				},
			})
		}
		return in
	}
	push := func(size int) []contender {
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
	pull := func(tag string) []contender {
		return load(func() work {
			return func(ctx context.Context, c *asker.Client, _ int) error { return c.PullImage(ctx, tag) }
		})
	}
	const floor = "the bare server keeps no database, knows no accounts and checks no manifest (bench/bare): what it takes " +
		"is the part of this client, the processor and the disk, which no registry that makes bytes durable is without."
	pushes := within(0.4, distribution)
	rows := []row{
		{name: "registry: push of a 1 MB image, 4 clients, p50", target: pushes, in: push(1 << 20), note: floor},
		{name: "registry: push of a 10 MB image, 4 clients, p50", target: pushes, in: push(10 << 20), note: floor},
		{name: "registry: pull of a 1 MB image, 4 clients, p50", target: within(0.15, distribution), in: pull("one")},
		{name: "registry: pull of a 10 MB image, 4 clients, p50", target: within(1.2, bareServer), in: pull("ten")},
		{name: "registry: HEAD of a manifest, 4 clients, p50", in: load(func() work {
			return func(ctx context.Context, c *asker.Client, _ int) error {
				_, err := c.Do(ctx, asker.Call{Method: http.MethodHead, Path: "/v2/bench/app/manifests/one"})
				return err
			}
		})},
	}
	for i := range rows {
		rows[i].rounds = 5
	}
	return append(rows, row{
		name: "registry: resident memory after that", target: figures.Target{Most: 60}, rounds: 1,
		cold: true, unit: "MB", in: resident(),
	})
}

// resident are the registries' processes, measured by what they take.
func resident() []contender {
	var in []contender
	for _, r := range registries {
		if r.name == bareServer {
			continue
		}
		in = append(in, contender{
			name: r.name, needs: []need{served(r.name, r.address)},
			value: func(_ context.Context, tb *testbed) (float64, error) {
				kib, _, _ := strings.Cut(machine.Field("/proc/"+tb.vars[processOf(r.name)]+"/status", "VmRSS"), " ")
				n, err := strconv.ParseFloat(kib, 64)
				return n / 1024, err
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
