package serving

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/bench/asker"
	"cove/bench/lab"
	"cove/bench/peers"
)

// garbageImages is how many images a collection finds without a tag.
const garbageImages = 300

// garbageSize is that of a layer, and of nothing else that a registry writes.
const garbageSize = 1009

// shortLives has a registry keep nothing for longer than a collection is waited for.
const shortLives = "gc: {interval: 1h, lease: 1ms, grace: 1ms, uploads: 1h}\n"

// collections are what is removed by the command for it, with the server stopped, which the
// peers ask for. Ours also works while it serves (registry/store, BenchmarkCollectWhileServing).
func collections() []lab.Row {
	row := lab.Row{
		Name: "registry: collecting 300 images that were deleted, the server stopped", Rounds: 2, Cold: true,
		Note: "what a collection is waited for includes the start of the command.",
	}
	all := plain(" with garbage", 5161)[:3]
	for _, r := range all {
		row.In = append(row.In, lab.Contender{Name: r.name, Before: r.litter, Value: r.collect})
	}
	row.After = removed(all)
	return []lab.Row{row}
}

// littered is how the registry is served meanwhile.
func (r *registry) littered(l *lab.Lab) (peers.Served, error) {
	served := peers.Served{Kind: r.name, Address: r.address, Folder: r.folder(l)}
	if r.name != peers.Cove {
		return served, nil
	}
	conf := filepath.Join(l.Work, "garbage.yaml")
	served.Flags = []string{"--config", conf}
	return served, os.WriteFile(conf, []byte(shortLives), 0o644)
}

// litter leaves deleted images in a registry that does not run.
func (r *registry) litter(ctx context.Context, l *lab.Lab) error {
	served, err := r.littered(l)
	if err != nil {
		return err
	}
	s, err := peers.Registry(l, served)
	if err != nil {
		return err
	}
	defer s.Stop()
	c := &asker.Client{Base: "http://" + r.address}
	var pushed [garbageImages]digest.Digest
	var errs [4]error
	var wg sync.WaitGroup
	for client := range errs {
		wg.Go(func() {
			for n := client; n < len(pushed) && errs[client] == nil; n += len(errs) {
				pushed[n], errs[client] = c.Push(ctx, fmt.Sprint("garbage", n), asker.NewLayer(garbageSize))
			}
		})
	}
	wg.Wait()
	err = errors.Join(errs[:]...)
	for _, dgst := range pushed { // one by one: docker-registry fails when two are deleted at once
		if err == nil {
			err = c.Delete(ctx, dgst)
		}
	}
	if err != nil {
		return err
	}
	stored, err := layersIn(served.Folder)
	if err == nil && stored < garbageImages {
		err = fmt.Errorf("%d layers are stored, where %d were pushed", stored, garbageImages)
	}
	return err
}

// collect says how long the command takes, after which nothing is left.
func (r *registry) collect(ctx context.Context, l *lab.Lab) (float64, error) {
	served, err := r.littered(l)
	if err != nil {
		return 0, err
	}
	argv := append([]string{"gc", "--now", "--root", served.Folder}, served.Flags...)
	if r.name != peers.Cove {
		conf, err := peers.Configure(l, served)
		if err != nil {
			return 0, err
		}
		argv = []string{"garbage-collect", conf}
	}
	begun := time.Now()
	out, err := l.In(ctx, peers.Program(l, r.name), argv...).CombinedOutput()
	took := float64(time.Since(begun).Microseconds()) / 1000
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %.1000s", argv[0], err, out)
	}
	left, err := layersIn(served.Folder)
	if err == nil && left > 0 {
		err = fmt.Errorf("%d layers are left", left)
	}
	return took, err
}

// layersIn counts the files that have the size of a layer of garbage.
func layersIn(dir string) (n int, err error) {
	return n, filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		fi, err := e.Info()
		if err == nil && fi.Size() == garbageSize {
			n++
		}
		return err
	})
}
