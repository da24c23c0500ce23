package webhook

import (
	"context"
	"fmt"

	"github.com/docker/go-units"

	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/usage"
	"cove/registry/webhook/payload"
)

// NearQuota has webhooks hear, within the transaction of a push, of a project that comes
// near its quota by it.
func NearQuota(ctx context.Context, tx *metadata.Tx, n usage.Near) error {
	return Emit(ctx, tx, Event{
		Type: payload.QuotaWarning, Project: n.Project, Operator: auth.CallerOf(ctx).Name,
		Custom: map[string]string{payload.Details: fmt.Sprintf("project %q uses %s of its quota of %s",
			n.Project, units.BytesSize(float64(n.Used)), units.BytesSize(float64(n.Limit)))},
	})
}
