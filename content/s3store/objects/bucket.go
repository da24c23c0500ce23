// Package objects is a bucket of an S3 service: what of its protocol cove needs, with
// errors of the kinds that all floors share. Every request has an end: it is tried
// so many times, and a service that is silent is given up.
package objects

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"cove/errdefs"
)

// Config says where a bucket is.
type Config struct {
	// Endpoint is the service's URL; "" is Amazon's of the Region.
	Endpoint string
	Bucket   string
	// Prefix goes before every key, so that several stores share a bucket.
	Prefix string
	// Region is part of what is signed; "" is us-east-1.
	Region string
	// Credentials is a file in the format of ~/.aws/credentials, of which the
	// profile "default" counts. Without it they are looked for where Amazon's own
	// tools do: in the environment, in that file, in the machine's role.
	Credentials string
	// CA is a file of certificates, in PEM, that the service's is checked with
	// beside those that the system knows.
	CA string
	// VirtualHosts has the bucket in the host's name and not in the path. It is
	// so without an Endpoint in any case.
	VirtualHosts bool
	// Attempts is how often a request is tried at most; 0 is 5.
	Attempts int
	// Timeout is how long a service may be silent while it is waited for; 0 is
	// 30 s. A server's copy of a large part has ten times as long.
	Timeout time.Duration
}

// Bucket is a part of a bucket, below a prefix. Its keys are without that. It is
// safe for concurrent use.
type Bucket struct {
	client  *s3.Client
	http    *http.Client
	presign *s3.PresignClient
	name    string
	prefix  string
	timeout time.Duration
	// attempts is how often what a service says of one object among many is asked.
	attempts int
}

// Object describes one of a bucket.
type Object struct {
	Key     string
	Size    int64
	ModTime time.Time // to the second, as HTTP has it
}

// Connect checks what is asked for and prepares to speak to the service; it sends
// nothing yet: see Check.
func Connect(ctx context.Context, cfg Config) (*Bucket, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = 5
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	hc, err := httpClient(cfg)
	if err != nil {
		return nil, err
	}
	load := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(cfg.Region),
		awsconfig.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		awsconfig.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
		awsconfig.WithRetryer(func() aws.Retryer { return retryer(cfg.Attempts) }),
	}
	if cfg.Credentials != "" {
		if _, err := os.Stat(cfg.Credentials); err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "credentials of the s3 storage: %w", err)
		}
		load = append(load, awsconfig.WithSharedCredentialsFiles([]string{cfg.Credentials}),
			awsconfig.WithSharedConfigProfile("default"))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "s3 storage: %w", err)
	}
	client := s3.NewFromConfig(loaded, func(o *s3.Options) {
		o.HTTPClient = hc
		o.UsePathStyle = cfg.Endpoint != "" && !cfg.VirtualHosts
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(strings.TrimSuffix(cfg.Endpoint, "/"))
		}
		if !strings.HasPrefix(cfg.Endpoint, "http://") {
			// TLS guards the bytes: to hash them once more only to sign the hash costs
			// as much as to hash them in the first place.
			o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
		}
	})
	b := &Bucket{
		client: client, http: hc, presign: s3.NewPresignClient(client), name: cfg.Bucket, timeout: cfg.Timeout,
		attempts: cfg.Attempts,
	}
	if p := strings.Trim(cfg.Prefix, "/"); p != "" {
		b.prefix = p + "/"
	}
	return b, nil
}

// httpClient waits for an answer as long as the timeout, and for its bytes as long
// as they come.
func httpClient(cfg Config) (*http.Client, error) {
	if u, err := url.Parse(cfg.Endpoint); err != nil || cfg.Endpoint != "" && (u.Host == "" ||
		u.Scheme != "https" && u.Scheme != "http") {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "s3 storage: endpoint %q is not https://HOST[:PORT]",
			cfg.Endpoint)
	}
	if cfg.Bucket == "" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "s3 storage: it names no bucket")
	}
	tc := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CA != "" {
		pem, err := os.ReadFile(cfg.CA)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "ca of the s3 storage: %w", err)
		}
		if tc.RootCAs, err = x509.SystemCertPool(); err != nil {
			tc.RootCAs = x509.NewCertPool()
		}
		if !tc.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "ca of the s3 storage: %s holds no certificate in PEM",
				cfg.CA)
		}
	}
	dial := min(10*time.Second, cfg.Timeout)
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: dial, KeepAlive: 15 * time.Second}).DialContext,
			TLSClientConfig:       tc,
			TLSHandshakeTimeout:   dial,
			ResponseHeaderTimeout: 10 * cfg.Timeout, // a copy answers at its end
			ExpectContinueTimeout: time.Second,
			MaxIdleConnsPerHost:   64,
			IdleConnTimeout:       90 * time.Second,
			ReadBufferSize:        64 << 10,
			WriteBufferSize:       64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Close lets go of idle connections.
func (b *Bucket) Close() error {
	b.http.CloseIdleConnections()
	return nil
}

// Name is what errors call the place.
func (b *Bucket) Name() string { return "s3://" + b.name + "/" + b.prefix }

// Check asks whether the bucket is there and may be used.
func (b *Bucket) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	_, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: &b.name, Prefix: &b.prefix, MaxKeys: aws.Int32(1),
	})
	return b.failed("", err)
}

func (b *Bucket) key(key string) *string { return aws.String(b.prefix + key) }

// Stat is errdefs.ErrNotFound of an object that is not there.
func (b *Bucket) Stat(ctx context.Context, key string) (Object, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: b.key(key)})
	if err != nil {
		return Object{}, b.failed(key, err)
	}
	return Object{Key: key, Size: aws.ToInt64(out.ContentLength), ModTime: toSecond(out.LastModified)}, nil
}

func toSecond(t *time.Time) time.Time { return aws.ToTime(t).Truncate(time.Second) }

// Get reads a small object.
func (b *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	r, err := b.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Size() > maxGet {
		return nil, errdefs.Errorf(errdefs.ErrExhausted, "%s%s: %d bytes are too many to read at once", b.Name(), key,
			r.Size())
	}
	p := make([]byte, r.Size())
	if _, err := r.ReadAt(p, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return p, nil
}

// maxGet is the largest object that Get takes into memory.
const maxGet = 1 << 20

// Put stores an object, durably; what had the key before is replaced.
func (b *Bucket) Put(ctx context.Context, key string, body []byte) error {
	return b.PutWhole(ctx, key, bytes.NewReader(body), int64(len(body)), sumOf(body))
}

// PutNew is Put for a key that nothing has yet, whoever else tries the same at the
// same time; otherwise the error is errdefs.ErrExists.
func (b *Bucket) PutNew(ctx context.Context, key string, body []byte) error {
	in := b.putting(key, bytes.NewReader(body), int64(len(body)))
	in.IfNoneMatch = aws.String("*")
	return b.put(ctx, in, checked(sumOf(body)))
}

// PutFrom is Put of all that body holds, which is size bytes.
func (b *Bucket) PutFrom(ctx context.Context, key string, body io.ReadSeeker, size int64) error {
	return b.put(ctx, b.putting(key, body, size))
}

// PutWhole is PutFrom of bytes whose SHA-256 is known, in hexadecimal: the service checks it.
// There are some that take what came of a request that was cut off for all of it, and keep
// that in the place of what was there.
func (b *Bucket) PutWhole(ctx context.Context, key string, body io.ReadSeeker, size int64, sum string) error {
	return b.put(ctx, b.putting(key, body, size), checked(sum))
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// checked has the service hold a body against its sum.
func checked(sum string) func(*s3.Options) {
	return func(o *s3.Options) {
		o.APIOptions = append(slices.Clip(o.APIOptions), func(stack *middleware.Stack) error {
			_, err := stack.Finalize.Swap(payloadHash, summed(sum))
			return err
		})
	}
}

// payloadHash is the step of a request that says what it is signed for.
const payloadHash = "ComputePayloadHash"

// summed is that step for a body whose sum is known.
func summed(sum string) middleware.FinalizeMiddleware {
	return middleware.FinalizeMiddlewareFunc(payloadHash, func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		return next.HandleFinalize(v4.SetPayloadHash(ctx, sum), in)
	})
}

// mediaType is that of every object: nobody but a registry knows what it is.
var mediaType = aws.String("application/octet-stream")

func (b *Bucket) putting(key string, body io.ReadSeeker, size int64) *s3.PutObjectInput {
	return &s3.PutObjectInput{
		Bucket: &b.name, Key: b.key(key), Body: body, ContentLength: &size, ContentType: mediaType,
	}
}

func (b *Bucket) put(ctx context.Context, in *s3.PutObjectInput, as ...func(*s3.Options)) error {
	ctx, cancel := b.sending(ctx, *in.ContentLength)
	defer cancel()
	_, err := b.client.PutObject(ctx, in, as...)
	return b.failed(strings.TrimPrefix(*in.Key, b.prefix), err)
}

// slowest is the speed, in bytes a second, that a service must take bytes with.
const slowest = 256 << 10

// sending bounds a request that sends so many bytes.
func (b *Bucket) sending(ctx context.Context, size int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.timeout+time.Duration(size/slowest)*time.Second)
}

// maxBatch is how many keys one request deletes.
const maxBatch = 1000

// Delete removes objects; one that is not there is no error.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 1 {
		ctx, cancel := context.WithTimeout(ctx, b.timeout)
		defer cancel()
		_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: b.key(keys[0])})
		return b.failed(keys[0], err)
	}
	for batch := range slices.Chunk(keys, maxBatch) {
		if err := b.deleteBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// deleteBatch asks again for those of which the service says, within an answer that is a
// success, that it has no time for them.
func (b *Bucket) deleteBatch(ctx context.Context, keys []string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*b.timeout)
	defer cancel()
	for n := 1; ; n++ {
		left, err := b.deleteOnce(ctx, keys)
		if err == nil || len(left) == 0 || n == b.attempts {
			return err
		}
		select {
		case <-time.After(pause(n, err)):
		case <-ctx.Done():
			return err
		}
		keys = left
	}
}

// deleteOnce returns, beside its error, the keys that may be asked for again, if that is
// all that is wrong.
func (b *Bucket) deleteOnce(ctx context.Context, keys []string) (left []string, err error) {
	objects := make([]types.ObjectIdentifier, len(keys))
	for i, key := range keys {
		objects[i].Key = b.key(key)
	}
	out, err := b.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &b.name, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	})
	if err != nil {
		return nil, b.failed("", err)
	}
	final := false
	for _, e := range out.Errors {
		code, key := aws.ToString(e.Code), strings.TrimPrefix(aws.ToString(e.Key), b.prefix)
		if code == "" || code == "NoSuchKey" {
			continue
		}
		said := errdefs.Errorf(errdefs.ErrUnavailable, "%s%s: deleting: %w", b.Name(), key,
			&smithy.GenericAPIError{Code: code, Message: aws.ToString(e.Message)})
		if !again(code) {
			err, final = said, true
		} else if left = append(left, key); err == nil {
			err = said
		}
	}
	if final {
		left = nil
	}
	return left, err
}

// List visits the objects whose keys begin with prefix, in the order of their
// keys.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return b.list(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: b.key(prefix)})
}

// Folder is List of what is directly below dir, which ends with a slash. Of what lies
// deeper one Object tells, whose key ends with a slash.
func (b *Bucket) Folder(ctx context.Context, dir string) iter.Seq2[Object, error] {
	return b.list(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: b.key(dir), Delimiter: aws.String("/")})
}

func (b *Bucket) list(ctx context.Context, in *s3.ListObjectsV2Input) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		pages := s3.NewListObjectsV2Paginator(b.client, in)
		for pages.HasMorePages() {
			page, err := b.page(ctx, pages)
			if err != nil {
				yield(Object{}, b.failed(strings.TrimPrefix(*in.Prefix, b.prefix), err))
				return
			}
			for _, p := range page.CommonPrefixes {
				if !yield(Object{Key: strings.TrimPrefix(aws.ToString(p.Prefix), b.prefix)}, nil) {
					return
				}
			}
			for _, o := range page.Contents {
				key := strings.TrimPrefix(aws.ToString(o.Key), b.prefix)
				if !yield(Object{Key: key, Size: aws.ToInt64(o.Size), ModTime: toSecond(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}

func (b *Bucket) page(ctx context.Context, pages *s3.ListObjectsV2Paginator) (*s3.ListObjectsV2Output, error) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	return pages.NextPage(ctx)
}

// Presign is a URL by which anyone gets the object for as long as life.
func (b *Bucket) Presign(ctx context.Context, key string, life time.Duration) (string, error) {
	req, err := b.presign.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: b.key(key)},
		s3.WithPresignExpires(life))
	if err != nil {
		return "", b.failed(key, err)
	}
	return req.URL, nil
}
