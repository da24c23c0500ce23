// Command reaper removes what a session of tests left behind, from within a container
// that has docker's socket, by the protocol of testcontainers' own (which no module proxy
// and no Debian package has): who connects to port 8080 sends filters of labels, a line
// each, and hears ACK; when nobody has been connected for a while all that they name goes.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

func main() {
	if err := reap(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// sessions are who is connected, and what all of them named.
type sessions struct {
	mu      sync.Mutex
	filters map[string]filters.Args
	changed chan int // how many are connected
	count   int
}

func reap(ctx context.Context) error {
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	if _, err := docker.Ping(ctx); err != nil {
		return err
	}
	l, err := net.Listen("tcp", ":8080")
	if err != nil {
		return err
	}
	fmt.Println("Started")
	s := &sessions{filters: map[string]filters.Args{}, changed: make(chan int, 64)}
	go s.accept(l)
	s.idle(duration("RYUK_CONNECTION_TIMEOUT", time.Minute), duration("RYUK_RECONNECTION_TIMEOUT", 10*time.Second))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.filters {
		err = errors.Join(err, remove(ctx, docker, f))
	}
	return err
}

func duration(name string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(os.Getenv(name)); err == nil {
		return d
	}
	return otherwise
}

// idle returns when nobody came, or all have left.
func (s *sessions) idle(first, again time.Duration) {
	timer := time.NewTimer(first)
	for {
		select {
		case n := <-s.changed:
			if timer.Stop(); n == 0 {
				timer.Reset(again)
			}
		case <-timer.C:
			return
		}
	}
}

func (s *sessions) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.add(1)
		go func() {
			defer s.add(-1)
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				if err := s.name(lines.Text()); err != nil {
					fmt.Fprintln(os.Stderr, err)
					continue
				}
				_, _ = io.WriteString(conn, "ACK\n")
			}
		}()
	}
}

func (s *sessions) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count += n
	s.changed <- s.count
}

func (s *sessions) name(line string) error {
	query, err := url.ParseQuery(line)
	if err != nil || len(query) == 0 {
		return fmt.Errorf("%q is no filter: %w", line, err)
	}
	f := filters.NewArgs()
	for key, values := range query {
		for _, v := range values {
			f.Add(key, v)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filters[line] = f
	return nil
}

// remove removes all that has these labels.
func remove(ctx context.Context, docker *client.Client, f filters.Args) error {
	all, err := docker.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
	with := container.RemoveOptions{Force: true, RemoveVolumes: true}
	for _, c := range all {
		err = errors.Join(err, docker.ContainerRemove(ctx, c.ID, with))
	}
	_, nerr := docker.NetworksPrune(ctx, f)
	volumes := f.Clone()
	volumes.Add("all", "true")
	_, verr := docker.VolumesPrune(ctx, volumes)
	images, ierr := docker.ImageList(ctx, image.ListOptions{Filters: f})
	err = errors.Join(err, nerr, verr, ierr)
	for _, i := range images {
		_, rerr := docker.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true, PruneChildren: true})
		err = errors.Join(err, rerr)
	}
	return err
}
