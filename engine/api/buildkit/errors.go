package buildkit

import (
	"context"
	"errors"

	buildkiterrors "github.com/moby/buildkit/solver/errdefs"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"cove/engine/api/buildkit/progress"
	"cove/engine/builds"
	"cove/errdefs"
)

// codeOf is the gRPC code of each kind of failure.
var codeOf = map[error]codes.Code{
	errdefs.ErrNotFound:        codes.NotFound,
	errdefs.ErrExists:          codes.AlreadyExists,
	errdefs.ErrInvalid:         codes.InvalidArgument,
	errdefs.ErrUnauthenticated: codes.Unauthenticated,
	errdefs.ErrDenied:          codes.PermissionDenied,
	errdefs.ErrConflict:        codes.FailedPrecondition,
	errdefs.ErrUnavailable:     codes.Unavailable,
	errdefs.ErrUnsupported:     codes.Unimplemented,
	errdefs.ErrExhausted:       codes.ResourceExhausted,
	errdefs.ErrCorrupt:         codes.DataLoss,
}

// answer makes an error one that a client understands: with a code, and with the
// lines of the Dockerfile that it is about, which clients show. A build that failed
// has no code of its own, as with BuildKit, since clients put the code's name in
// front of the text.
func answer(err error) error {
	if err == nil {
		return nil
	}
	var failed *buildError
	isBuild := errors.As(err, &failed)
	if _, ok := grpcstatus.FromError(err); ok && !isBuild {
		return err // the client's own, that it sent us
	}
	code := codes.Unknown
	switch {
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case isBuild:
		err = failed
	default:
		if c, ok := codeOf[errdefs.KindOf(err)]; ok {
			code = c
		}
	}
	text := err.Error()
	var at *builds.Error
	located := errors.As(err, &at) && at.Location.Line > 0 && at.Source != nil
	if located {
		text = at.Err.Error()
	}
	if isBuild {
		text = progress.Words(err, text, failed.command)
	}
	out := error(coded{grpcstatus.New(code, text), text})
	if located {
		out = buildkiterrors.WithSource(out, &buildkiterrors.Source{
			Info: progress.Info(at.Source, at.Location), Ranges: progress.Ranges(at.Location),
		})
	}
	return out
}

// coded is an error with a code whose text does not speak of RPC.
type coded struct {
	status *grpcstatus.Status
	text   string
}

func (e coded) Error() string                  { return e.text }
func (e coded) GRPCStatus() *grpcstatus.Status { return e.status }

// buildError is a build that failed, and the command of the step that did.
type buildError struct {
	err     error
	command []string
}

func (e *buildError) Error() string { return e.err.Error() }
func (e *buildError) Unwrap() error { return e.err }
