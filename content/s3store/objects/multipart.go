package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cove/errdefs"
	"cove/internal/limit"
)

// Upload is a multipart upload: parts that become an object, or nothing.
type Upload struct {
	Key, ID string
	Begun   time.Time // as Uploads lists it
}

// ErrLost is, within an errdefs.ErrNotFound, an upload that the service does not
// know (any more), or whose parts are others than those that were sent.
var ErrLost = errors.New("the storage has lost parts of the upload; begin it again")

func (b *Bucket) uploadFailed(key string, err error) error {
	switch codeOf(err) {
	case "NoSuchUpload", "InvalidPart", "InvalidPartOrder":
		return errdefs.Errorf(errdefs.ErrNotFound, "%w: %w", ErrLost, err)
	}
	return b.failed(key, err)
}

// BeginUpload starts a multipart upload.
func (b *Bucket) BeginUpload(ctx context.Context, key string) (Upload, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	out, err := b.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &b.name, Key: b.key(key), ContentType: mediaType,
	})
	if err != nil {
		return Upload{}, b.failed(key, err)
	}
	return Upload{Key: key, ID: aws.ToString(out.UploadId)}, nil
}

// SendPart sends the part with this number, which begins with 1: all that body
// holds, which is size bytes. Complete wants to be told its ETag.
func (b *Bucket) SendPart(
	ctx context.Context, u Upload, number int, body io.ReadSeeker, size int64,
) (etag string, err error) {
	ctx, cancel := b.sending(ctx, size)
	defer cancel()
	out, err := b.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &b.name, Key: b.key(u.Key), UploadId: &u.ID, PartNumber: aws.Int32(int32(number)),
		Body: body, ContentLength: &size,
	})
	if err != nil {
		return "", b.uploadFailed(u.Key, err)
	}
	return aws.ToString(out.ETag), nil
}

// Complete makes the parts, in their order, the object.
func (b *Bucket) Complete(ctx context.Context, u Upload, etags []string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*b.timeout)
	defer cancel()
	parts := make([]types.CompletedPart, len(etags))
	for i := range etags {
		parts[i] = types.CompletedPart{ETag: &etags[i], PartNumber: aws.Int32(int32(i + 1))}
	}
	_, err := b.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &b.name, Key: b.key(u.Key), UploadId: &u.ID,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return b.uploadFailed(u.Key, err)
}

// Abort frees the parts of an upload; one that is unknown is no error.
func (b *Bucket) Abort(ctx context.Context, u Upload) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &b.name, Key: b.key(u.Key), UploadId: &u.ID,
	})
	if err = b.uploadFailed(u.Key, err); errors.Is(err, ErrLost) {
		return nil
	}
	return err
}

// Uploads visits the multipart uploads of keys that begin with prefix, those under
// way and those that were left.
func (b *Bucket) Uploads(ctx context.Context, prefix string) iter.Seq2[Upload, error] {
	return func(yield func(Upload, error) bool) {
		pages := s3.NewListMultipartUploadsPaginator(b.client, &s3.ListMultipartUploadsInput{
			Bucket: &b.name, Prefix: b.key(prefix),
		})
		for pages.HasMorePages() {
			page, err := b.uploadsPage(ctx, pages)
			if err != nil {
				yield(Upload{}, b.failed(prefix, err))
				return
			}
			for _, u := range page.Uploads {
				key := strings.TrimPrefix(aws.ToString(u.Key), b.prefix)
				if !yield(Upload{Key: key, ID: aws.ToString(u.UploadId), Begun: aws.ToTime(u.Initiated)}, nil) {
					return
				}
			}
		}
	}
}

func (b *Bucket) uploadsPage(
	ctx context.Context, pages *s3.ListMultipartUploadsPaginator,
) (*s3.ListMultipartUploadsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	return pages.NextPage(ctx)
}

const (
	// copyStep is how much one request copies; more is copied in parts, at once.
	copyStep = 64 << 20
	copiers  = 8
	maxParts = 10_000
)

// Copy has the service copy an object, which replaces what has the key.
func (b *Bucket) Copy(ctx context.Context, from, to string, size int64) error {
	return b.CopyFrom(ctx, Copied{Bucket: b, Key: from, Size: size}, to)
}

// Copied is an object that is copied, also from another bucket of the same service: b's
// credentials must be allowed to read it.
type Copied struct {
	Bucket *Bucket
	Key    string
	Size   int64
	// ETag, if it is not "", is what the object must still be: another one in its place
	// is errdefs.ErrExists.
	ETag string
}

func (c Copied) source() *string {
	return aws.String((&url.URL{Path: c.Bucket.name + "/" + c.Bucket.prefix + c.Key}).EscapedPath())
}

func (c Copied) ifMatch() *string {
	if c.ETag == "" {
		return nil
	}
	return &c.ETag
}

// CopyFrom is Copy from any bucket of the service.
func (b *Bucket) CopyFrom(ctx context.Context, from Copied, to string) error {
	if from.Size > copyStep {
		return b.copyParts(ctx, from, to)
	}
	ctx, cancel := b.sending(ctx, from.Size)
	defer cancel()
	_, err := b.client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &b.name, Key: b.key(to), CopySource: from.source(), CopySourceIfMatch: from.ifMatch(),
	})
	return b.failed(to, err)
}

func (b *Bucket) copyParts(ctx context.Context, from Copied, to string) error {
	u, err := b.BeginUpload(ctx, to)
	if err != nil {
		return err
	}
	step := max(int64(copyStep), (from.Size+maxParts-1)/maxParts)
	etags := make([]string, (from.Size+step-1)/step)
	err = limit.Each(ctx, copiers, indices(len(etags)), func(ctx context.Context, i int) error {
		first := int64(i) * step
		etag, err := b.copyPart(ctx, u, i+1, from, [2]int64{first, min(first+step, from.Size) - 1})
		etags[i] = etag
		return err
	})
	if err == nil {
		err = b.Complete(ctx, u, etags)
	}
	if err != nil {
		_ = b.Abort(context.WithoutCancel(ctx), u) // else it is listed by Uploads
	}
	return err
}

// copyPart makes the bytes from the first to the last of an object a part.
func (b *Bucket) copyPart(ctx context.Context, u Upload, number int, from Copied, span [2]int64) (string, error) {
	ctx, cancel := b.sending(ctx, span[1]-span[0])
	defer cancel()
	out, err := b.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
		Bucket: &b.name, Key: b.key(u.Key), UploadId: &u.ID, PartNumber: aws.Int32(int32(number)),
		CopySource: from.source(), CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", span[0], span[1])),
		CopySourceIfMatch: from.ifMatch(),
	})
	if err != nil {
		return "", b.failed(u.Key, err)
	}
	return aws.ToString(out.CopyPartResult.ETag), nil
}

func indices(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}
