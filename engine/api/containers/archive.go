package containers

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/http"
	"time"

	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/files"
	"cove/errdefs"
)

// pathStat is the header of an archive: what is at the path.
type pathStat struct {
	Name       string      `json:"name"`
	Size       int64       `json:"size"`
	Mode       fs.FileMode `json:"mode"`
	Mtime      time.Time   `json:"mtime"`
	LinkTarget string      `json:"linkTarget"`
}

func (a *API) statArchive(w http.ResponseWriter, r *route.Request) error {
	return a.pathHeader(w, r)
}

func (a *API) pathHeader(w http.ResponseWriter, r *route.Request) error {
	path := r.URL.Query().Get("path")
	if path == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "bad parameter: path cannot be empty")
	}
	st, err := a.engine.StatPath(r.Context(), r.Param("id"), path)
	if err != nil {
		return a.noFile(r, path, err)
	}
	text, err := json.Marshal(pathStat{st.Name, st.Size, st.Mode, st.MTime, st.Target})
	if err != nil {
		return err
	}
	w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(text))
	return nil
}

// noFile has docker's words if it is the file that is not there, and not its container.
func (a *API) noFile(r *route.Request, path string, err error) error {
	if wire.Status(err) != http.StatusNotFound {
		return err
	}
	c, cerr := a.engine.Container(r.Context(), r.Param("id"))
	if cerr != nil {
		return err
	}
	return errdefs.Errorf(errdefs.ErrNotFound, "Could not find the file %s in container %s", path, c.ID())
}

func (a *API) getArchive(w http.ResponseWriter, r *route.Request) error {
	if err := a.pathHeader(w, r); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-tar")
	return wire.Streamed(w, func(to http.ResponseWriter) error {
		return a.engine.CopyTarOut(r.Context(), r.Param("id"), r.URL.Query().Get("path"), to,
			files.CopyOptions{Archive: true})
	})
}

func (a *API) putArchive(w http.ResponseWriter, r *route.Request) error {
	q := r.URL.Query()
	path := q.Get("path")
	if path == "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "bad parameter: path cannot be empty")
	}
	err := a.engine.CopyTarIn(r.Context(), r.Body, r.Param("id"), path, files.TarOptions{
		OwnedByUser: wire.Bool(q, "copyUIDGID"), KeepKinds: wire.Bool(q, "noOverwriteDirNonDir"),
	})
	if wire.Status(err) == http.StatusNotFound && err != nil {
		if _, cerr := a.engine.InspectContainer(r.Context(), r.Param("id")); cerr == nil {
			return errdefs.Errorf(errdefs.ErrNotFound, "Could not find the file %s in container %s", path,
				r.Param("id"))
		}
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
