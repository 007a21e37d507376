/* A null S3 server: it reads every body, throws the bytes away, and answers as S3 does.
 *
 * It remembers each key with its size, so that HEAD and If-None-Match tell the truth and a benchmark can
 * ask what arrived: GET /-/objects gives "<number> <bytes>", and POST /-/forget empties it. One thread a connection.
 * Bodies of plain connections are dropped in the kernel (MSG_TRUNC), so the sink is not what is measured.
 * GET /-/file/<bytes>/<any name> gives a sound file of that size: the origin where there is no nginx.
 *
 *     cc -O2 -pthread -o sink sink.c -lssl -lcrypto     (-DPLAIN, without the libraries: http only)
 *     ./sink PORT [CERTIFICATE KEY]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#ifndef PLAIN
#include <openssl/ssl.h>
static SSL_CTX *tls;
#endif

enum { HEAD = 32 * 1024, PIECE = 256 * 1024, BUCKETS = 65536 };

/* What stands here: keys with sizes; uploads with the bytes of their parts so far. */
struct entry {
  struct entry *next;
  long long size;
  char name[];
};
static struct entry *objects[BUCKETS], *uploads[BUCKETS];
static long long number_of_objects, bytes_in_objects, last_upload;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct entry **find(struct entry **table, const char *name) {
  unsigned hash = 5381;
  for (const char *c = name; *c; c++) hash = hash * 33 + (unsigned char)*c;
  struct entry **at = &table[hash % BUCKETS];
  while (*at && strcmp((*at)->name, name)) at = &(*at)->next;
  return at;
}

static void put(struct entry **table, const char *name, long long size) {
  struct entry **at = find(table, name);
  if (!*at) {
    *at = calloc(1, sizeof **at + strlen(name) + 1);
    strcpy((*at)->name, name);
    if (table == objects) number_of_objects++;
  }
  if (table == objects) bytes_in_objects += size - (*at)->size;
  (*at)->size = size;
}

static long long take(struct entry **table, const char *name) {
  struct entry **at = find(table, name), *found = *at;
  if (!found) return -1;
  long long size = found->size;
  *at = found->next;
  free(found);
  if (table == objects) number_of_objects--, bytes_in_objects -= size;
  return size;
}

static long long size_of(const char *name) {
  struct entry *found = *find(objects, name);
  return found ? found->size : -1;
}

struct connection {
  int fd;
  size_t filled, read; /* of `buffer` */
  char buffer[HEAD + 1];
  char piece[PIECE];
#ifndef PLAIN
  SSL *ssl;
#endif
};

static ssize_t receive(struct connection *c, char *into, size_t most) {
#ifndef PLAIN
  if (c->ssl) return SSL_read(c->ssl, into, (int)most);
#endif
  return recv(c->fd, into, most, 0);
}

static ssize_t drop(struct connection *c, size_t most) {
#ifndef PLAIN
  if (c->ssl) return SSL_read(c->ssl, c->piece, (int)(most < PIECE ? most : PIECE));
#endif
  return recv(c->fd, NULL, most, MSG_TRUNC);
}

static int send_all(struct connection *c, const char *data, size_t length) {
  while (length) {
    ssize_t sent;
#ifndef PLAIN
    if (c->ssl) sent = SSL_write(c->ssl, data, (int)length);
    else
#endif
      sent = send(c->fd, data, length, MSG_NOSIGNAL);
    if (sent <= 0) return 0;
    data += sent, length -= (size_t)sent;
  }
  return 1;
}

static int answer(struct connection *c, int status, const char *headers, const char *body, int no_body) {
  char text[4096];
  int length = snprintf(text, sizeof text, "HTTP/1.1 %d -\r\nServer: sink\r\nx-amz-request-id: 1\r\n%sContent-Length: %zu\r\n\r\n%s",
                        status, headers, strlen(body), no_body ? "" : body);
  return send_all(c, text, (size_t)length);
}

static int failure(struct connection *c, int status, const char *code, int no_body) {
  char body[256];
  snprintf(body, sizeof body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>%s</Code><Message>%s</Message></Error>", code, code);
  return answer(c, status, "Content-Type: application/xml\r\n", body, no_body);
}

/* Read until a whole line (or a whole head, with end "\r\n\r\n") lies in the buffer; give its end, or NULL. */
static char *read_until(struct connection *c, const char *end) {
  for (;;) {
    c->buffer[c->filled] = 0;
    char *found = strstr(c->buffer + c->read, end);
    if (found) return found + strlen(end);
    if (c->read) {
      memmove(c->buffer, c->buffer + c->read, c->filled - c->read);
      c->filled -= c->read, c->read = 0;
    }
    if (c->filled == HEAD) return NULL;
    ssize_t got = receive(c, c->buffer + c->filled, HEAD - c->filled);
    if (got <= 0) return NULL;
    c->filled += (size_t)got;
  }
}

static int drop_body(struct connection *c, long long length) {
  size_t here = c->filled - c->read;
  if ((long long)here > length) here = (size_t)length;
  c->read += here, length -= (long long)here;
  while (length > 0) {
    ssize_t got = drop(c, length > (1 << 30) ? 1 << 30 : (size_t)length);
    if (got <= 0) return 0;
    length -= got;
  }
  return 1;
}

static long long drop_chunks(struct connection *c) {
  long long total = 0;
  for (;;) {
    char *end = read_until(c, "\r\n");
    if (!end) return -1;
    long long length = strtoll(c->buffer + c->read, NULL, 16);
    c->read = (size_t)(end - c->buffer);
    if (length == 0) break;
    if (!drop_body(c, length) || !(end = read_until(c, "\r\n"))) return -1;
    c->read = (size_t)(end - c->buffer);
    total += length;
  }
  for (;;) { /* trailers, up to an empty line */
    char *start, *end = read_until(c, "\r\n");
    if (!end) return -1;
    start = c->buffer + c->read;
    c->read = (size_t)(end - c->buffer);
    if (end - start == 2) return total;
  }
}

static const char *header(char *head, const char *name, char *value, size_t most) {
  size_t length = strlen(name);
  for (char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, length) || line[2 + length] != ':') continue;
    char *from = line + 3 + length;
    while (*from == ' ') from++;
    size_t n = strcspn(from, "\r");
    if (n >= most) n = most - 1;
    memcpy(value, from, n), value[n] = 0;
    return value;
  }
  return NULL;
}

/* Frames of silence: what a sniffer takes for an MP3. */
static char silence[417 * 628];

static int send_file(struct connection *c, long long size) {
  char head[256];
  int n = snprintf(head, sizeof head, "HTTP/1.1 200 -\r\nContent-Type: audio/mpeg\r\nContent-Length: %lld\r\n\r\n", size);
  if (!send_all(c, head, (size_t)n)) return 0;
  for (long long sent = 0; sent < size; sent += (long long)sizeof silence) {
    size_t piece = size - sent < (long long)sizeof silence ? (size_t)(size - sent) : sizeof silence;
    if (!send_all(c, silence, piece)) return 0;
  }
  return 1;
}

static int exchange(struct connection *c) {
  char *end = read_until(c, "\r\n\r\n");
  if (!end) return 0;
  char head[HEAD + 1], method[16], target[4096], value[256];
  size_t head_length = (size_t)(end - (c->buffer + c->read));
  memcpy(head, c->buffer + c->read, head_length), head[head_length] = 0;
  c->read += head_length;
  if (sscanf(head, "%15s %4095s", method, target) != 2) return 0;
  char *query = strchr(target, '?');
  if (query) *query++ = 0;
  else query = "";

  if (header(head, "Expect", value, sizeof value) && !send_all(c, "HTTP/1.1 100 Continue\r\n\r\n", 25)) return 0;
  long long size = header(head, "Content-Length", value, sizeof value) ? atoll(value) : 0;
  if (header(head, "Transfer-Encoding", value, sizeof value)) {
    if ((size = drop_chunks(c)) < 0) return 0;
  } else if (!drop_body(c, size)) return 0;
  /* In S3's own chunks more travels than is stored. */
  if (header(head, "x-amz-decoded-content-length", value, sizeof value)) size = atoll(value);

  if (!strncmp(target, "/-/file/", 8)) return send_file(c, atoll(target + 8));

  char *key = strchr(target + 1, '/'), upload[64] = "", body[1024];
  char *id = strstr(query, "uploadId=");
  if (id) sscanf(id + 9, "%63[0-9]", upload);
  int only_if_new = header(head, "If-None-Match", value, sizeof value) != NULL, result;

  pthread_mutex_lock(&lock);
  if (!strcmp(target, "/-/objects")) {
    snprintf(body, sizeof body, "%lld %lld", number_of_objects, bytes_in_objects);
    result = answer(c, 200, "", body, 0);
  } else if (!strcmp(target, "/-/forget")) {
    for (int i = 0; i < BUCKETS; i++)
      while (objects[i]) take(objects, objects[i]->name);
    result = answer(c, 200, "", "", 0);
  } else if (!key || !key[1]) { /* the bucket itself */
    int list = !strcmp(method, "GET");
    result = answer(c, 200, "", list ? "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>" : "", 0);
  } else if (!strcmp(method, "HEAD") || !strcmp(method, "GET")) {
    long long found = size_of(target);
    int is_head = !strcmp(method, "HEAD");
    char headers[256];
    /* The bytes are gone, so an object can be asked about and not read. */
    if (found < 0 || !is_head) result = failure(c, 404, "NoSuchKey", is_head);
    else {
      int n = snprintf(headers, sizeof headers,
                       "HTTP/1.1 200 -\r\nETag: \"0-1\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: %lld\r\n\r\n", found);
      result = send_all(c, headers, (size_t)n);
    }
  } else if (!strcmp(method, "POST") && !*upload && strstr(query, "uploads")) {
    snprintf(upload, sizeof upload, "%lld", ++last_upload);
    put(uploads, upload, 0);
    snprintf(body, sizeof body,
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?><InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
             "<Bucket>bench</Bucket><Key>k</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>", upload);
    result = answer(c, 200, "Content-Type: application/xml\r\n", body, 0);
  } else if (*upload && !*find(uploads, upload)) {
    result = failure(c, 404, "NoSuchUpload", 0);
  } else if (!strcmp(method, "PUT") && *upload) {
    (*find(uploads, upload))->size += size;
    result = answer(c, 200, "ETag: \"0-1\"\r\n", "", 0);
  } else if ((!strcmp(method, "PUT") || (!strcmp(method, "POST") && *upload)) && only_if_new && size_of(target) >= 0) {
    result = failure(c, 412, "PreconditionFailed", 0);
  } else if (!strcmp(method, "POST") && *upload) {
    put(objects, target, take(uploads, upload));
    result = answer(c, 200, "Content-Type: application/xml\r\n",
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                    "<Location>-</Location><Bucket>bench</Bucket><Key>k</Key><ETag>\"0-1\"</ETag></CompleteMultipartUploadResult>", 0);
  } else if (!strcmp(method, "PUT")) {
    put(objects, target, size);
    result = answer(c, 200, "ETag: \"0-1\"\r\n", "", 0);
  } else if (!strcmp(method, "DELETE")) {
    take(*upload ? uploads : objects, *upload ? upload : target);
    result = answer(c, 204, "", "", 1);
  } else result = failure(c, 501, "NotImplemented", 0);
  pthread_mutex_unlock(&lock);
  return result;
}

static void *serve(void *argument) {
  struct connection *c = argument;
  int on = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifndef PLAIN
  if (tls) {
    c->ssl = SSL_new(tls);
    SSL_set_fd(c->ssl, c->fd);
    if (SSL_accept(c->ssl) == 1)
      while (exchange(c)) {}
    SSL_free(c->ssl);
  } else
#endif
    while (exchange(c)) {}
  close(c->fd);
  free(c);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 2 && argc != 4) return fprintf(stderr, "usage: sink PORT [CERTIFICATE KEY]\n"), 2;
  signal(SIGPIPE, SIG_IGN);
  for (size_t at = 0; at < sizeof silence; at += 417) memcpy(silence + at, "\xff\xfb\x90\x64", 4);
  if (argc == 4) {
#ifdef PLAIN
    return fprintf(stderr, "sink: built without TLS\n"), 2;
#else
    tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls, argv[2]) != 1 || SSL_CTX_use_PrivateKey_file(tls, argv[3], SSL_FILETYPE_PEM) != 1)
      return fprintf(stderr, "sink: the certificate or its key cannot be read\n"), 2;
#endif
  }
  int listening = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 1024)) return perror("sink"), 1;
  for (;;) {
    int fd = accept(listening, NULL, NULL);
    if (fd < 0) continue;
    struct connection *c = calloc(1, sizeof *c);
    c->fd = fd;
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, c)) close(fd), free(c);
    else pthread_detach(thread);
  }
}
