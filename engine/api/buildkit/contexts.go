package buildkit

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	"cove/engine/api/buildkit/frontend"
	"cove/engine/api/buildkit/peer"
	"cove/engine/builds"
	"cove/errdefs"
)

const (
	dockerignore  = ".dockerignore"
	maxDockerfile = 16 << 20
	maxIgnore     = 1 << 20
)

// transfer is one directory of the client that is received.
type transfer struct {
	peer.Wanted
	// step is the name of the step in the progress, what is what is transferred.
	step, what string
}

// receive receives files below a new directory, and tells how many bytes came.
func (w *work) receive(ctx context.Context, t transfer, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "a place for the context: %w", err)
	}
	_, err := w.receiveInto(ctx, t, peer.Place{Files: dir})
	return err
}

// receiveInto has the client send what the directory has not yet, and returns how many bytes
// it has then.
func (w *work) receiveInto(ctx context.Context, t transfer, at peer.Place) (got peer.Got, err error) {
	t.MaxBytes, t.MaxFiles = w.server.cfg.MaxContext, w.server.cfg.MaxFiles
	return got, w.job.step(t.step, func() error {
		begun := timestamppb.Now()
		got, err = w.peer.Receive(ctx, t.Wanted, at)
		w.job.status.Add(&control.StatusResponse{Statuses: []*control.VertexStatus{{
			ID: "transferring " + t.what + ":", Vertex: digest.FromString(t.step).String(), Current: got.Sent,
			Timestamp: timestamppb.Now(), Started: begun, Completed: timestamppb.Now(),
		}}})
		return err
	})
}

// receiveKept receives files as receive does, and only those that have changed since the last
// build of the same client, where they were kept then. It returns where they are, and whether they
// stay there.
func (w *work) receiveKept(ctx context.Context, t transfer, dir string) (string, bool, error) {
	key := w.peer.Kept(t.Wanted, t.what, w.request.SharedKeys[t.Name], w.request.SharedKeys[t.what])
	if key == "" {
		return dir, false, w.receive(ctx, t, dir)
	}
	kept, err := builds.Keep(w.server.cfg.Engine, key, "local source for "+t.what)
	if err != nil { // too many at once
		return dir, false, w.receive(ctx, t, dir)
	}
	w.job.mu.Lock()
	w.job.kept = append(w.job.kept, kept)
	w.job.mu.Unlock()
	got, err := w.receiveInto(ctx, t, peer.Place{Files: kept.Files, List: kept.List})
	if err == nil {
		err = kept.Keep(got.Size)
	}
	return kept.Files, true, err
}

// fetch brings what the build reads, and says in its options where it is.
func (w *work) fetch(ctx context.Context) error {
	r := w.request
	if r.Context != "" {
		if err := w.fetchRemote(ctx); err != nil || !r.LocalFile {
			return err
		}
	}
	dir := filepath.Join(w.temp, "context")
	var got *builds.Received
	var rules []byte // those of the context, which count where the Dockerfile has none of its own
	both, here := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		got, err = w.dockerfile(here)
		return err
	})
	if r.Context == "" {
		both.Go(func() (err error) {
			rules, err = w.ignore(here, dir+".rules")
			return err
		})
	}
	if err := both.Wait(); err != nil {
		return err
	}
	r.Options.Received = got
	if r.Context != "" {
		return nil
	}
	if got.Ignore == nil {
		got.Ignore = rules
	}
	if r.Options.Context = dir; r.Call != "" {
		return os.Mkdir(dir, 0o700) // a question about the Dockerfile, that reads no files
	}
	exclude, err := ignorefile.ReadAll(strings.NewReader(string(got.Ignore)))
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", dockerignore, err)
	}
	r.Options.Context, got.Kept, err = w.receiveKept(ctx, transfer{
		Wanted: peer.Wanted{Name: r.ContextDir, Exclude: exclude},
		step:   "[internal] load build context", what: "context",
	}, dir)
	return err
}

// ignore fetches the rules of what is no part of the context; nil is none.
func (w *work) ignore(ctx context.Context, dir string) ([]byte, error) {
	err := w.receive(ctx, transfer{
		Wanted: peer.Wanted{Name: w.request.ContextDir, Follow: []string{dockerignore}},
		step:   "[internal] load .dockerignore", what: "context",
	}, dir)
	if err != nil {
		return nil, err
	}
	text, err := peer.ReadFile(dir, dockerignore, maxIgnore)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, nil
	}
	return text, err
}

// dockerfile fetches the Dockerfile, and the rules that lie beside it.
func (w *work) dockerfile(ctx context.Context) (*builds.Received, error) {
	dir := filepath.Join(w.temp, "dockerfile")
	name := strings.TrimPrefix(path.Clean("/"+w.request.File), "/")
	lower := path.Join(path.Dir(name), strings.ToLower(path.Base(name)))
	err := w.receive(ctx, transfer{
		Wanted: peer.Wanted{Name: w.request.DockerfileDir, Follow: []string{name, name + dockerignore, lower}},
		step:   "[internal] load build definition from " + path.Base(name), what: "dockerfile",
	}, dir)
	if err != nil {
		return nil, err
	}
	text, err := peer.ReadFile(dir, name, maxDockerfile)
	if errors.Is(err, errdefs.ErrNotFound) && path.Base(name) == "Dockerfile" {
		name = lower
		text, err = peer.ReadFile(dir, name, maxDockerfile)
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound,
			"failed to read dockerfile: open %s: no such file or directory", path.Base(w.request.File))
	}
	if err != nil {
		return nil, err
	}
	rules, err := peer.ReadFile(dir, name+dockerignore, maxIgnore)
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		return nil, err
	}
	return &builds.Received{Name: path.Base(name), Dockerfile: text, Ignore: rules}, nil
}

// fetchRemote takes a context that is no directory of the client: an archive on its
// standard input, or something that the builder fetches itself.
func (w *work) fetchRemote(ctx context.Context) (err error) {
	r := w.request
	r.Options.Context, r.Options.Dockerfile = r.Context, r.File
	if r.Subdir != "" {
		return errdefs.Errorf(errdefs.ErrUnsupported, "a directory below the context (%s) is not supported: "+
			"write it behind the URL of the repository, as URL#REF:DIR", r.Subdir)
	}
	if peer.IsUpload(r.Context) {
		r.Options.Context = "-"
		r.Options.Stdin, err = w.peer.Upload(ctx, r.Context)
		return err
	}
	r.Options.Secrets = map[string][]byte{}
	for _, id := range []string{"GIT_AUTH_TOKEN", "GIT_AUTH_HEADER"} {
		value, err := w.peer.Secret(ctx, id)
		switch {
		case err == nil:
			r.Options.Secrets[id] = value
		case !errors.Is(err, errdefs.ErrNotFound):
			return err
		}
	}
	return nil
}

// fetchNamed brings the contexts with names of their own.
func (w *work) fetchNamed(ctx context.Context) error {
	r := w.request
	r.Options.Contexts = map[string]string{}
	for name, value := range r.Named {
		scheme, rest, _ := strings.Cut(value, ":")
		switch scheme {
		case "local":
			dir := filepath.Join(w.temp, "named-"+strconv.Itoa(len(r.Options.Contexts)))
			dir, _, err := w.receiveKept(ctx, transfer{
				Wanted: peer.Wanted{Name: rest}, step: "[context " + name + "] load from client", what: name,
			}, dir)
			if err != nil {
				return err
			}
			r.Options.Contexts[name] = dir
		case "docker-image", "http", "https", "git":
			r.Options.Contexts[name] = value
		case "input":
			if w.solved.on[rest] == nil {
				return frontend.RefuseLLB("context " + name)
			}
		case "target":
			return frontend.RefuseLLB("context " + name)
		default:
			return errdefs.Errorf(errdefs.ErrUnsupported,
				"context %s=%s: want a directory, an image, a git repository or a URL", name, value)
		}
	}
	return nil
}
