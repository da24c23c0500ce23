package system

import (
	"net/http"

	"cove/engine/api/route"
	"cove/engine/api/wire"
)

func (a *API) info(w http.ResponseWriter, r *route.Request) error {
	told, err := a.engine.Info(r.Context())
	if err != nil {
		return err
	}
	return wire.JSON(w, http.StatusOK, told)
}
