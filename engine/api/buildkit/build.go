package buildkit

import (
	"context"
	"os"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/types/known/timestamppb"

	"cove/engine/api/buildkit/frontend"
	"cove/engine/api/buildkit/peer"
	"cove/engine/builds"
)

// work is a request that is worked on, with the client on the session of its job.
type work struct {
	server  *Server
	job     *job
	request *frontend.Request
	peer    *peer.Peer
	// temp holds what the client sent, until the work ends.
	temp string
}

// do does something with a request, and forgets then what the client sent for it.
func (s *Server) do(ctx context.Context, j *job, r *frontend.Request, what func(*work) error) error {
	p, err := s.peer(ctx, j.session)
	if err != nil {
		return err
	}
	temp, err := builds.TempDir(s.cfg.Engine)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	w := &work{s, j, r, p, temp}
	r.Options.Progress, r.Options.Finder = j.status.Event, p
	if err := what(w); err != nil {
		return &buildError{err, j.status.Failed()}
	}
	return nil
}

// build builds a request.
func (s *Server) build(ctx context.Context, j *job, r *frontend.Request) (made map[string]string, err error) {
	err = s.do(ctx, j, r, func(w *work) (err error) {
		made, err = w.build(ctx)
		return err
	})
	return made, err
}

func (w *work) build(ctx context.Context) (map[string]string, error) {
	if err := w.fetch(ctx); err != nil {
		return nil, err
	}
	if err := w.fetchNamed(ctx); err != nil {
		return nil, err
	}
	o := &w.request.Options
	if err := w.request.Outputs(w.peer.Send, w.temp); err != nil {
		return nil, err
	}
	result, err := builds.Build(ctx, w.server.cfg.Engine.As(w.peer), *o)
	if err != nil {
		return nil, err
	}
	var source []byte
	if o.Received != nil {
		source = o.Received.Dockerfile
	}
	w.job.status.Warn(source, result.Warnings)
	if err := w.sendFolders(ctx); err != nil {
		return nil, err
	}
	return response(result, w.request.Exporters)
}

// step does something beside the build, and tells of it.
func (j *job) step(name string, do func() error) error {
	begun := timestamppb.Now()
	v := &control.Vertex{Digest: digest.FromString(name).String(), Name: name, Started: begun}
	j.status.Add(&control.StatusResponse{Vertexes: []*control.Vertex{v}})
	err := do()
	ended := &control.Vertex{Digest: v.Digest, Name: name, Started: begun, Completed: timestamppb.Now()}
	if err != nil {
		ended.Error = err.Error()
	}
	j.status.Add(&control.StatusResponse{Vertexes: []*control.Vertex{ended}})
	return err
}
