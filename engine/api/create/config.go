package create

import (
	"net/http"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine/api/wire"
	"cove/errdefs"
)

// Config reads the body of a commit: what the image is to be told besides what its
// container was. What a commit cannot change is refused, not ignored.
func Config(r *http.Request) (c ocispec.ImageConfig, err error) {
	var body asked
	if err := wire.Decode(r, &body); err != nil {
		return c, err
	}
	for what, is := range map[string]bool{
		"Healthcheck": body.Healthcheck != nil, "OnBuild": len(body.OnBuild) > 0, "Shell": len(body.Shell) > 0,
	} {
		if is {
			return c, errdefs.Errorf(errdefs.ErrUnsupported, "%s in the body of a commit is not supported", what)
		}
	}
	return ocispec.ImageConfig{
		User: body.User, WorkingDir: body.WorkingDir, StopSignal: body.StopSignal, Env: body.Env,
		Entrypoint: body.Entrypoint, Cmd: body.Cmd, ExposedPorts: body.ExposedPorts, Volumes: body.Volumes,
		Labels: body.Labels,
	}, nil
}
