import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The same queries in Kafka Streams, with the settings that ksqlDB gives it.
 *
 * <p>StreamsBench BROKERS filter|all|aggregate|regroup IN OUT at_least_once|exactly_once_v2 COMMIT_MS STATE_DIR
 *
 * <p>Ends when the group has committed the end of IN, with a line of JSON. "warm" figures leave out the first fifth of
 * the records, in which the virtual machine compiles.
 */
public class StreamsBench {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final int THREADS = 2;

  public static void main(String[] arguments) throws Exception {
    String brokers = arguments[0];
    String work = arguments[1];
    String in = arguments[2];
    String out = arguments[3];
    String id = "streams-bench-" + System.nanoTime();
    Path state = Files.createDirectories(Path.of(arguments[6]));
    Properties properties = new Properties();
    properties.put("application.id", id);
    properties.put("bootstrap.servers", brokers);
    properties.put("state.dir", state.toString());
    properties.put("processing.guarantee", arguments[4]);
    properties.put("num.stream.threads", THREADS);
    properties.put("statestore.cache.max.bytes", 10L << 20);
    properties.put("commit.interval.ms", Long.parseLong(arguments[5]));
    properties.put("replication.factor", 1);
    properties.put("auto.offset.reset", "earliest");
    properties.put("producer.linger.ms", 100);
    properties.put("default.key.serde", Serdes.StringSerde.class.getName());

    StreamsBuilder builder = new StreamsBuilder();
    Serde<JsonNode> json = Serdes.serdeFrom((topic, node) -> write(node), (topic, bytes) -> read(bytes));
    KStream<String, JsonNode> orders = builder.stream(in, Consumed.with(Serdes.String(), json));
    if (work.equals("filter") || work.equals("all")) {
      boolean all = work.equals("all");
      orders
          .filter((key, order) -> all || keeps(order))
          .mapValues(StreamsBench::project)
          .to(out, Produced.with(Serdes.String(), json));
    } else {
      var grouped =
          work.equals("aggregate")
              ? orders.groupByKey(Grouped.with(Serdes.String(), json))
              : orders.groupBy((key, order) -> order.get("itemid").textValue(), Grouped.with(Serdes.String(), json));
      grouped
          .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofHours(24)))
          .aggregate(
              MAPPER::createObjectNode,
              (key, order, group) -> add(group, order),
              Materialized.<String, JsonNode, WindowStore<Bytes, byte[]>>as("groups")
                  .withKeySerde(Serdes.String())
                  .withValueSerde(json)
                  .withRetention(Duration.ofHours(48)))
          .toStream()
          .to(out, Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 60_000), json));
    }
    measure(brokers, id, in, builder, properties);
  }

  private static void measure(String brokers, String id, String in, StreamsBuilder builder, Properties properties)
      throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", brokers))) {
      long total = endOf(admin, in);
      KafkaStreams streams = new KafkaStreams(builder.build(), properties);
      streams.setUncaughtExceptionHandler(
          failure -> {
            failure.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
          });
      long started = System.nanoTime();
      long warm = 0;
      long warmPosition = 0;
      double warmCpu = 0;
      streams.start();
      while (true) {
        Thread.sleep(50);
        long position = 0;
        for (var entry : admin.listConsumerGroupOffsets(id).partitionsToOffsetAndMetadata().get().entrySet()) {
          if (entry.getValue() != null && entry.getKey().topic().equals(in)) {
            position += entry.getValue().offset();
          }
        }
        if (warm == 0 && position > total / 5) {
          warm = System.nanoTime();
          warmPosition = position;
          warmCpu = cpuSeconds();
        }
        if (position >= total) {
          break;
        }
      }
      long ended = System.nanoTime();
      double cpu = cpuSeconds();
      long rest = total - warmPosition;
      System.out.printf(
          "{\"records\":%d,\"seconds\":%.3f,\"cpu_seconds\":%.3f,\"peak_mib\":%d,"
              + "\"warm_records\":%d,\"warm_seconds\":%.3f,\"warm_cpu_seconds\":%.3f}%n",
          total, (ended - started) / 1e9, cpu, peakMib(), rest, (ended - warm) / 1e9, cpu - warmCpu);
      streams.close(Duration.ofSeconds(20));
      streams.cleanUp();
      List<String> internal = new ArrayList<>();
      for (String topic : admin.listTopics().names().get()) {
        if (topic.startsWith(id)) {
          internal.add(topic);
        }
      }
      admin.deleteTopics(internal).all().get();
    }
  }

  private static boolean keeps(JsonNode order) {
    return order.get("price").doubleValue() > 50 && order.get("region").textValue().equals("Region_3");
  }

  private static JsonNode project(JsonNode order) {
    ObjectNode row = MAPPER.createObjectNode();
    row.put("ORDERID", order.get("orderid").longValue());
    row.put("USERID", order.get("userid").textValue());
    row.put("PRICE", order.get("price").doubleValue());
    row.put("REGION", order.get("region").textValue().toUpperCase());
    return row;
  }

  private static JsonNode add(JsonNode group, JsonNode order) {
    JsonNode count = group.get("CNT");
    ObjectNode row = MAPPER.createObjectNode();
    row.put("CNT", (count == null ? 0 : count.longValue()) + 1);
    row.put("TOTAL", (count == null ? 0 : group.get("TOTAL").doubleValue()) + order.get("price").doubleValue());
    return row;
  }

  private static byte[] write(JsonNode node) {
    try {
      return node == null ? null : MAPPER.writeValueAsBytes(node);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static JsonNode read(byte[] bytes) {
    try {
      return bytes == null ? null : MAPPER.readTree(bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static long endOf(Admin admin, String topic) throws Exception {
    int partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
    for (int partition = 0; partition < partitions; partition++) {
      asked.put(new TopicPartition(topic, partition), OffsetSpec.latest());
    }
    return admin.listOffsets(asked).all().get().values().stream().mapToLong(found -> found.offset()).sum();
  }

  private static double cpuSeconds() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
  }

  private static long peakMib() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM")) {
        return Long.parseLong(line.replaceAll("\\D", "")) / 1024;
      }
    }
    return -1;
  }
}
