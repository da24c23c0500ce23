package buildkit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	control "github.com/moby/buildkit/api/services/control"

	"cove/engine/builds"
	"cove/errdefs"
)

// sendFolders hands the directories that were exported to the client.
func (w *work) sendFolders(ctx context.Context, outputs []builds.Output) error {
	for i, out := range outputs {
		if out.Type != builds.Local {
			continue
		}
		send := func() error { return w.peer.SendFolder(ctx, i, out.Dest) }
		if err := w.job.step("copying files to the client", send); err != nil {
			return err
		}
	}
	return nil
}

// response is what a build made, by the names that clients know. For docker's own
// exporter an image is what docker lists it by, its config: compose compares that with
// the image of a container, which it else makes again each time.
func response(result *builds.Result, exporters []*control.Exporter) (map[string]string, error) {
	made := result.Image()
	if made.Target.Digest == "" {
		return map[string]string{}, nil
	}
	desc, err := json.Marshal(made.Target)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "describing the image: %w", err)
	}
	out := map[string]string{
		"containerimage.digest":     made.Target.Digest.String(),
		"containerimage.descriptor": base64.StdEncoding.EncodeToString(desc),
	}
	if made.Config != "" {
		out["containerimage.config.digest"] = made.Config.String()
		if slices.ContainsFunc(exporters, func(e *control.Exporter) bool { return e.Type == "moby" }) {
			out["containerimage.digest"] = made.Config.String()
		}
	}
	if names := slices.Compact(slices.Clone(made.Names)); len(names) > 0 {
		out["image.name"] = strings.Join(names, ",")
	}
	return out, nil
}

// tellCaches tells the client which manifest it has to give a tag, in the directory that it lent for
// a cache.
func tellCaches(made map[string]string, caches []builds.Cache) error {
	for _, c := range caches {
		if c.Type != builds.CacheLent || c.Store.Written().Digest == "" {
			continue
		}
		desc, err := json.Marshal(c.Store.Written())
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "describing the cache: %w", err)
		}
		made["cache.manifest"] = string(desc)
	}
	return nil
}
