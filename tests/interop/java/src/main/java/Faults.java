import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.reflect.TypeToken;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** The client of faults, as tests/interop/fault_scenarios.py describes: calls on standard input, a JSON line for each. */
public final class Faults {
  private static final Map<String, List<String>> TEXTS =
      Map.of("Get", List.of("a request"), "Watch", List.of("a request"), "Chat", List.of("a", "b", "c"), "Hold", List.of("a"));

  /** What the application gets of a call. */
  static final class Outcome {
    String scenario;
    int code;
    String message = "";
    Map<String, List<String>> header = new TreeMap<>();
    Map<String, List<String>> trailer = new TreeMap<>();
    List<String> messages = new ArrayList<>();
  }

  /** Passes bytes; a message that begins with 0xff cannot be decoded. */
  static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      try {
        byte[] message = stream.readAllBytes();
        if (message.length > 0 && message[0] == (byte) 0xff) {
          throw Status.INTERNAL.withDescription("not decodable").asRuntimeException();
        }
        return message;
      } catch (IOException error) {
        throw new IllegalStateException(error);
      }
    }
  }

  public static void main(String[] arguments) throws InterruptedException {
    Gson gson = new Gson();
    JsonObject requests = gson.fromJson(new InputStreamReader(System.in, StandardCharsets.UTF_8), JsonObject.class);
    Map<String, Object> config =
        gson.fromJson(requests.get("service_config"), new TypeToken<Map<String, Object>>() {}.getType());
    ManagedChannel channel =
        ManagedChannelBuilder.forTarget(arguments[0]).usePlaintext().enableRetry().defaultServiceConfig(config).build();
    for (var call : requests.getAsJsonArray("calls")) {
      System.out.println(gson.toJson(call(channel, call.getAsJsonObject())));
    }
    channel.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
  }

  private static Outcome call(ManagedChannel channel, JsonObject request) throws InterruptedException {
    String kind = request.get("method").getAsString();
    var type =
        switch (kind) {
          case "Get" -> MethodDescriptor.MethodType.UNARY;
          case "Watch" -> MethodDescriptor.MethodType.SERVER_STREAMING;
          default -> MethodDescriptor.MethodType.BIDI_STREAMING;
        };
    var method =
        MethodDescriptor.<byte[], byte[]>newBuilder()
            .setType(type)
            .setFullMethodName(request.get("path").getAsString().substring(1))
            .setRequestMarshaller(new Bytes())
            .setResponseMarshaller(new Bytes())
            .build();
    CallOptions options = CallOptions.DEFAULT;
    int timeout = request.get("timeout_ms").getAsInt();
    if (timeout > 0) {
      options = options.withDeadlineAfter(timeout, TimeUnit.MILLISECONDS);
    }
    Outcome outcome = new Outcome();
    outcome.scenario = request.get("scenario").getAsString();
    Metadata metadata = new Metadata();
    metadata.put(Metadata.Key.of("scenario", Metadata.ASCII_STRING_MARSHALLER), outcome.scenario);
    ClientCall<byte[], byte[]> call = channel.newCall(method, options);
    CountDownLatch ended = new CountDownLatch(1);
    Deque<String> texts = new ArrayDeque<>(TEXTS.get(kind));
    boolean single = kind.equals("Get") || kind.equals("Watch");
    call.start(
        new ClientCall.Listener<>() {
          @Override
          public void onHeaders(Metadata headers) {
            outcome.header = shown(headers);
          }

          @Override
          public void onMessage(byte[] message) {
            outcome.messages.add(
                message.length < 100 ? new String(message, StandardCharsets.ISO_8859_1) : message.length + " bytes");
            if (!single) {
              send(call, kind, texts);
            }
            call.request(1);
          }

          @Override
          public void onClose(Status status, Metadata trailers) {
            outcome.code = status.getCode().value();
            outcome.message = status.getDescription() == null ? "" : status.getDescription();
            outcome.trailer = shown(trailers);
            ended.countDown();
          }
        },
        metadata);
    call.request(2);
    send(call, kind, texts);
    if (single) {
      call.halfClose();
    }
    ended.await();
    return outcome;
  }

  /** The next request; the half-close behind the last of a chat. */
  private static void send(ClientCall<byte[], byte[]> call, String kind, Deque<String> texts) {
    if (!texts.isEmpty()) {
      call.sendMessage(texts.poll().getBytes(StandardCharsets.UTF_8));
    } else if (kind.equals("Chat")) {
      call.halfClose();
    }
  }

  private static Map<String, List<String>> shown(Metadata metadata) {
    Map<String, List<String>> all = new TreeMap<>();
    for (String key : metadata.keys()) {
      List<String> values = new ArrayList<>();
      if (key.endsWith("-bin")) {
        for (byte[] value : metadata.getAll(Metadata.Key.of(key, Metadata.BINARY_BYTE_MARSHALLER))) {
          values.add(HexFormat.of().formatHex(value));
        }
      } else {
        metadata.getAll(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER)).forEach(values::add);
      }
      all.put(key, values);
    }
    return all;
  }
}
