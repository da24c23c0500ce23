package system

import (
	"errors"
	"io"
	"net/http"

	"cove/engine"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/errdefs"
)

// events tells what happens until the client leaves.
func (a *API) events(w http.ResponseWriter, r *route.Request) error {
	q := r.URL.Query()
	filters, err := wire.Filters(q)
	if err != nil {
		return err
	}
	o := engine.EventOptions{Filter: filters}
	if o.Since, err = wire.Moment(q.Get("since"), a.engine.Now()); err != nil {
		return err
	}
	if o.Until, err = wire.Moment(q.Get("until"), a.engine.Now()); err != nil {
		return err
	}
	if !o.Since.IsZero() && !o.Until.IsZero() && o.Since.After(o.Until) {
		return errdefs.Errorf(errdefs.ErrInvalid, "`since` time (%s) cannot be after `until` time (%s)",
			q.Get("since"), q.Get("until"))
	}
	stream, err := a.engine.Events(o)
	if err != nil {
		return err
	}
	defer stream.Close()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	if err := control.Flush(); err != nil {
		return nil
	}
	for {
		e, err := stream.Next(r.Context())
		if errors.Is(err, io.EOF) || r.Context().Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		if wire.Encode(w, e) != nil || control.Flush() != nil {
			return nil
		}
	}
}
