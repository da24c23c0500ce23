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
	t.MaxBytes, t.MaxFiles = w.server.cfg.MaxContext, w.server.cfg.MaxFiles
	return w.job.step(t.step, func() error {
		begun := timestamppb.Now()
		n, err := w.peer.Receive(ctx, t.Wanted, dir)
		w.job.status.Add(&control.StatusResponse{Statuses: []*control.VertexStatus{{
			ID: "transferring " + t.what + ":", Vertex: digest.FromString(t.step).String(), Current: n,
			Timestamp: timestamppb.Now(), Started: begun, Completed: timestamppb.Now(),
		}}})
		return err
	})
}

// fetch brings what the build reads, and says in its options where it is.
func (w *work) fetch(ctx context.Context) error {
	r := w.request
	if r.Context != "" {
		if err := w.fetchRemote(ctx); err != nil || !r.LocalFile {
			return err
		}
	}
	got, err := w.dockerfile(ctx)
	if err != nil {
		return err
	}
	r.Options.Received = got
	if r.Context != "" {
		return nil
	}
	dir := filepath.Join(w.temp, "context")
	r.Options.Context = dir
	if got.Ignore == nil {
		if got.Ignore, err = w.ignore(ctx, dir+".rules"); err != nil {
			return err
		}
	}
	if r.Call != "" {
		return os.Mkdir(dir, 0o700) // a question about the Dockerfile, that reads no files
	}
	rules, err := ignorefile.ReadAll(strings.NewReader(string(got.Ignore)))
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", dockerignore, err)
	}
	return w.receive(ctx, transfer{
		Wanted: peer.Wanted{Name: r.ContextDir, Exclude: rules},
		step:   "[internal] load build context", what: "context",
	}, dir)
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
			err := w.receive(ctx, transfer{
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
