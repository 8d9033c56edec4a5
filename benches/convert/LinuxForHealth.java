import io.github.linuxforhealth.hl7.ConverterOptions;
import io.github.linuxforhealth.hl7.HL7ToFHIRConverter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * How long LinuxForHealth's converter takes for one HL7 v2 message, the first time and warm: java -cp 'lib/*'
 * LinuxForHealth.java FILE ROUNDS, with io.github.linuxforhealth:hl7v2-fhir-converter and what it needs in lib. Prints one
 * JSON object: the entries of its Bundle, first_ms, and warm_ms, the median of the second half of the rounds.
 */
public class LinuxForHealth {
    public static void main(String[] arguments) throws Exception {
        String message = Files.readString(Path.of(arguments[0]));
        int rounds = Integer.parseInt(arguments[1]);
        HL7ToFHIRConverter converter = new HL7ToFHIRConverter();
        ConverterOptions options = new ConverterOptions.Builder().withValidateResource().build();
        double[] taken = new double[rounds];
        int entries = 0;
        for (int round = 0; round < rounds; round++) {
            long begun = System.nanoTime();
            String bundle = converter.convert(message, options);
            taken[round] = (System.nanoTime() - begun) / 1e6;
            entries = bundle.split("\"fullUrl\"", -1).length - 1;
        }
        double[] warm = Arrays.copyOfRange(taken, rounds / 2, rounds);
        Arrays.sort(warm);
        System.out.printf("{\"entries\":%d,\"first_ms\":%.3f,\"warm_ms\":%.3f}%n", entries, taken[0], warm[warm.length / 2]);
    }
}
