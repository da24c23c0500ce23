package people

import "context"

// EachPage visits everything that list returns in pages, each after the last
// name of the one before. It ends with the first error, also of visit.
func EachPage[T any](ctx context.Context, list func(ctx context.Context, last string, n int) ([]T, error),
	name func(T) string, visit func(T) error,
) error {
	const page = 500
	for last := ""; ; {
		items, err := list(ctx, last, page)
		if err != nil {
			return err
		}
		for _, item := range items {
			if err := visit(item); err != nil {
				return err
			}
			last = name(item)
		}
		if len(items) < page {
			return nil
		}
	}
}
